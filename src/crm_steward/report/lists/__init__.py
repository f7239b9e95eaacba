"""The lists of the workbook, one module for each sort of thing that they are about."""
