"""The partner SOAP API as far as it is needed: `login` up to version 64, `merge` and `undelete`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from crm_steward.sandbox import Refusal, Request, Response, Routes
from crm_steward_salesforce.sandbox import answers
from crm_steward_salesforce.sandbox.checks import RowError
from crm_steward_salesforce.sandbox.merging import merge
from crm_steward_salesforce.sandbox.org import SalesforceOrg
from crm_steward_salesforce.sandbox.schema import OBJECTS

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

routes = Routes()
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_URN = "{urn:partner.soap.sforce.com}"
_OBJECT = "{urn:sobject.partner.soap.sforce.com}"
_LAST_LOGIN = 64
_MOST_MERGES = 200
_MOST_IDS = 200


@routes.add("POST", "/services/Soap/u/{version}", quota="soap")
def call(crm: SalesforceOrg, request: Request, version: str) -> Response:
    """Answer one SOAP call; SOAPAction must be there, whatever it says."""
    if "soapaction" not in request.headers:
        return answers.fault("UNKNOWN_EXCEPTION", "SOAPAction HTTP header missing")
    try:
        root = fromstring(request.body, forbid_dtd=True)
    except (ParseError, DefusedXmlException):
        return answers.fault("UNKNOWN_EXCEPTION", "the message cannot be parsed")
    body = root.find(f"{_SOAP}Body")
    asked = next(iter(body), None) if body is not None else None
    if asked is not None and asked.tag == f"{_URN}login":
        return _login(crm, request, asked, version)
    calls = {f"{_URN}merge": _merge, f"{_URN}undelete": _undelete}
    if asked is None or asked.tag not in calls:
        raise Refusal(crm.unknown(f"the SOAP call {asked.tag if asked is not None else 'none'}"))
    if not crm.session_of(crm.app.session_in(request.body)):
        message = "Invalid Session ID found in SessionHeader: Illegal Session"
        return answers.fault("INVALID_SESSION_ID", message)
    try:
        usage = crm.take(crm.now())
    except Refusal:
        return answers.fault("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    return calls[asked.tag](crm, request, asked).with_headers(usage)


def _login(crm: SalesforceOrg, request: Request, asked: Element, version: str) -> Response:
    if float(version) > _LAST_LOGIN:
        message = "SOAP API login() is not available in this version"
        return answers.fault("UNSUPPORTED_API_VERSION", message)
    app = crm.app
    given = (asked.findtext(f"{_URN}username"), asked.findtext(f"{_URN}password"))
    works = crm.tables["org"]["app"]["works"]
    if not works or given != (app.username, app.password + app.security_token):
        message = "Invalid username, password, security token; or user locked out."
        return answers.fault("INVALID_LOGIN", message)
    url = f"http://{request.headers.get('host', 'localhost')}/services/Soap/u/{version}/{crm.ORG}"
    return answers.envelope(
        "<loginResponse><result>"
        f"<serverUrl>{escape(url)}</serverUrl>"
        f"<sessionId>{escape(crm.open_session())}</sessionId>"
        f"<userId>{crm.USER}</userId>"
        "</result></loginResponse>"
    )


def _merge(crm: SalesforceOrg, request: Request, asked: Element) -> Response:
    if request.meddling and request.meddling.no_op:
        return answers.envelope("<mergeResponse></mergeResponse>")
    requests = asked.findall(f"{_URN}request")
    if not 1 <= len(requests) <= _MOST_MERGES:
        return answers.fault("EXCEEDED_ID_LIMIT", "record limit reached")
    results = "".join(_merged(crm, item) for item in requests)
    return answers.envelope(f"<mergeResponse>{results}</mergeResponse>")


def _undelete(crm: SalesforceOrg, request: Request, asked: Element) -> Response:
    """Bring back contacts, those of a merge without their children; all or none of them."""
    if b"<urn:allOrNone>true</urn:allOrNone>" not in request.body:
        raise Refusal(crm.unknown("an undelete of a part"))
    if request.meddling and request.meddling.no_op:
        return answers.envelope("<undeleteResponse></undeleteResponse>")
    ids = [item.text or "" for item in asked.findall(f"{_URN}ids")]
    if not 1 <= len(ids) <= _MOST_IDS:
        return answers.fault("EXCEEDED_ID_LIMIT", "record limit reached")
    rows = [crm.find("Contact", record_id) for record_id in ids]
    binned = [row is not None and row["IsDeleted"] for row in rows]
    if not all(binned):
        return answers.envelope(f"<undeleteResponse>{_refused(binned)}</undeleteResponse>")
    for row in rows:
        if row is not None:
            crm.write("Contact", row["Id"], {"IsDeleted": False, "MasterRecordId": None})
    done = "".join(
        f"<result><id>{row['Id']}</id><success>true</success></result>" for row in rows if row
    )
    return answers.envelope(f"<undeleteResponse>{done}</undeleteResponse>")


def _refused(binned: Sequence[bool]) -> str:
    """Return the results when some ids cannot come back: the others are rolled back."""
    codes = ["ALL_OR_NONE_OPERATION_ROLLED_BACK" if ok else "UNDELETE_FAILED" for ok in binned]
    return "".join(
        "<result><errors><message>the record cannot come back</message>"
        f'<statusCode>{code}</statusCode></errors><id xsi:nil="true"/>'
        "<success>false</success></result>"
        for code in codes
    )


def _merged(crm: SalesforceOrg, item: Element) -> str:
    master = item.find(f"{_URN}masterRecord")
    losers = [found.text or "" for found in item.findall(f"{_URN}recordToMergeIds")]
    try:
        if master is None or (master.findtext(f"{_OBJECT}type") or "") != "Contact":
            raise Refusal(crm.unknown("a merge of anything but contacts"))
        record_id = master.findtext(f"{_OBJECT}Id") or ""
        row, moved = merge(crm, record_id, _values(master), losers)
    except RowError as error:
        fields = "".join(f"<fields>{name}</fields>" for name in error.fields)
        return (
            f"<result><errors>{fields}<message>{escape(error.message)}</message>"
            f"<statusCode>{error.code}</statusCode></errors>"
            '<id xsi:nil="true"/><success>false</success></result>'
        )
    gone = "".join(f"<mergedRecordIds>{loser}</mergedRecordIds>" for loser in losers)
    children = "".join(f"<updatedRelatedIds>{child}</updatedRelatedIds>" for child in moved)
    return f"<result><id>{row['Id']}</id>{gone}<success>true</success>{children}</result>"


def _values(master: Element) -> dict[str, str | bool | None]:
    """Read the fields to set on the master; SOAP sends texts, so the schema says what they are."""
    values: dict[str, str | bool | None] = {}
    fields = OBJECTS["Contact"].fields
    for child in master:
        name = child.tag.removeprefix(_OBJECT)
        if name == "fieldsToNull":
            values[child.text or ""] = None
        elif name not in {"type", "Id"}:
            flag = name in fields and fields[name].type == "boolean"
            values[name] = (child.text == "true") if flag else (child.text or "")
    return values
