"""The calls that only the partner SOAP API has: `login`, `merge` and `undelete`.

Salesforce's merge exists neither in REST nor in Bulk. An OAuth access token serves as session id.
Source: SOAP API Developer Guide, `merge()`, `undelete()`, `AllOrNoneHeader`; partner WSDL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# The WSDL's soapAction is the empty text, but the header must be there.
HEADERS = {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
_CODE = re.compile(r"[A-Z][A-Z0-9_]{2,60}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_ENVELOPE = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
    'xmlns:urn="urn:partner.soap.sforce.com" xmlns:ens="urn:sobject.partner.soap.sforce.com">'
    "<soapenv:Header>{header}</soapenv:Header><soapenv:Body>{body}</soapenv:Body>"
    "</soapenv:Envelope>"
)


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of one merge, or of one record that was to come back.

    Args:
        success: Whether it took effect.
        id: The master, or the record that came back.
        losers: Those that were merged into it.
        code: Salesforce's code where it was refused.
        fields: The fields that the refusal names.
    """

    success: bool
    id: str
    losers: tuple[str, ...]
    code: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One SOAP answer, read to the end.

    Args:
        root: Its envelope.
        fault: The code of a fault without its prefix, or empty; `?` where it has none we know.
        text_of_fault: Salesforce's words, for recognising, never for showing.
    """

    root: Element
    fault: str
    text_of_fault: str

    def text(self, name: str) -> str:
        """Return the text of the first element of a name."""
        found = next((item for item in self.root.iter() if _local(item) == name), None)
        return (found.text or "").strip() if found is not None else ""

    def results(self) -> list[Merged]:
        """Return the results of `merge` or `undelete`, in order; of the latter without losers."""
        results = [item for item in self.root.iter() if _local(item) == "result"]
        return [_merged(item) for item in results]


def login(username: str, password: str) -> bytes:
    """Return the message that opens a session."""
    body = (
        f"<urn:login><urn:username>{escape(username)}</urn:username>"
        f"<urn:password>{escape(password)}</urn:password></urn:login>"
    )
    return _ENVELOPE.format(header="", body=body).encode()


def merge(
    session: str,
    master: str,
    losers: Sequence[str],
    flags: Sequence[str],
    *,
    allow_duplicates: bool,
) -> bytes:
    """Return the message that merges one or two contacts into a master.

    Args:
        session: The access token.
        master: The survivor's id.
        losers: Ids.
        flags: Checkboxes to tick on the survivor in the same transaction.
        allow_duplicates: Save in spite of duplicate rules that only warn.
    """
    header = (
        f"<urn:SessionHeader><urn:sessionId>{escape(session)}</urn:sessionId></urn:SessionHeader>"
    )
    if allow_duplicates:
        header += (
            "<urn:DuplicateRuleHeader><urn:allowSave>true</urn:allowSave>"
            "<urn:includeRecordDetails>false</urn:includeRecordDetails>"
            "<urn:runAsCurrentUser>true</urn:runAsCurrentUser></urn:DuplicateRuleHeader>"
        )
    ticked = "".join(f"<ens:{name}>true</ens:{name}>" for name in flags)
    gone = "".join(
        f"<urn:recordToMergeIds>{escape(loser)}</urn:recordToMergeIds>" for loser in losers
    )
    body = (
        "<urn:merge><urn:request><urn:masterRecord><ens:type>Contact</ens:type>"
        f"<ens:Id>{escape(master)}</ens:Id>{ticked}</urn:masterRecord>{gone}"
        "</urn:request></urn:merge>"
    )
    return _ENVELOPE.format(header=header, body=body).encode()


def undelete(session: str, ids: Sequence[str]) -> bytes:
    """Return the message that takes contacts out of the recycle bin, all or none of them.

    Args:
        session: The access token.
        ids: The contacts.
    """
    header = (
        f"<urn:SessionHeader><urn:sessionId>{escape(session)}</urn:sessionId></urn:SessionHeader>"
        "<urn:AllOrNoneHeader><urn:allOrNone>true</urn:allOrNone></urn:AllOrNoneHeader>"
    )
    wanted = "".join(f"<urn:ids>{escape(one)}</urn:ids>" for one in ids)
    return _ENVELOPE.format(header=header, body=f"<urn:undelete>{wanted}</urn:undelete>").encode()


def parse(content: bytes) -> Answer | None:
    """Read an answer; None when it is not SOAP, or carries what could harm its reader."""
    try:
        root: Element = fromstring(content, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        return None
    if _local(root) != "Envelope":
        return None
    fault = next((item for item in root.iter() if _local(item) == "Fault"), None)
    if fault is None:
        return Answer(root, "", "")
    parts = {_local(item): (item.text or "") for item in fault}
    code = parts.get("faultcode", "").strip().rpartition(":")[2]
    known = code if _CODE.fullmatch(code) else "?"
    return Answer(root, known, parts.get("faultstring", ""))


def _merged(result: Element) -> Merged:
    values: Mapping[str, str] = {_local(item): (item.text or "").strip() for item in result}
    losers = [(i.text or "").strip() for i in result if _local(i) == "mergedRecordIds"]
    error = next((item for item in result if _local(item) == "errors"), None)
    code, fields = "", []
    if error is not None:
        code = next(((i.text or "") for i in error if _local(i) == "statusCode"), "")
        fields = [i.text or "" for i in error if _local(i) == "fields"]
    return Merged(
        values.get("success") == "true",
        values.get("id", ""),
        tuple(losers),
        code if _CODE.fullmatch(code) else "",
        tuple(name for name in fields if _NAME.fullmatch(name)),
    )


def _local(item: Element) -> str:
    return str(item.tag).rpartition("}")[2]
