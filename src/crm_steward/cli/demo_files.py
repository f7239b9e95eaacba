"""What the demo writes down for its reader: settings and a rule file, both commented."""

from __future__ import annotations

from collections.abc import Mapping

CRMS = {
    "hubspot-eu": ("hubspot", 2000),
    "salesforce": ("salesforce", 1000),
    "zoho-fr": ("zoho", 800),
    "pipedrive": ("pipedrive", 600),
}
"""Connection → kind and how many contacts its emulator has; they share people."""

MORE: Mapping[str, Mapping[str, Mapping[str, str] | float]] = {
    "hubspot": {
        "consent": {
            "given_at": "consent_given_at",
            "how": "consent_how",
            "text_version": "consent_text_version",
            "source": "consent_source",
            "evidence": "consent_evidence",
        }
    },
    "salesforce": {
        "fields": {"stage": "Stage__c", "language": "Language__c"},
        "stages": {"Prospect": "prospect", "Customer": "customer", "Former": "former"},
    },
    "pipedrive": {
        "burst_share": 1.0,  # nobody else uses this account
        "fields": {"stage": "Stage", "kind": "Type of client", "source": "Source"},
        "stages": {"Prospect": "prospect", "Customer": "customer", "Former customer": "former"},
        "kinds": {"Company": "b2b", "Consumer": "b2c"},
    },
}
"""Kind → settings beyond those that open the emulated account."""

SETTINGS = """\
# Settings of the demo. config/crm-steward.yaml in the project explains every key.
version: 1
language: en
timezone: Europe/Paris
database: sqlite:///crm-steward.db        # relative to this file

connections:                              # emulators; leave base_url out for a real CRM,
<connections>                             # and keep its credentials in the environment
  export:
    kind: file
    path: contacts.csv                    # corrections go to a copy beside it
    country: FR

rules:
  packs: [baseline, format, consent-eu, duplicates, consent-de, retention-fr, segments]
  paths: [rules]

mail:
  host: 127.0.0.1
  port: <smtp_port>
  security: none                          # this machine only; a real server gets starttls
  sender: steward@example.org

report:
  recipients:
    - {address: alex@example.org, language: en}
    - {address: marie@example.org, language: fr}
  names: initials                         # off, initials, on

log:
  level: warning
"""

RULES = """\
# Rules of your own stand beside the shipped ones. Try: crm-steward rules lint rules
version: 1
rules:
  - id: customer-without-phone
    about:
      en: A customer whom nobody can call
      fr: Un client que personne ne peut appeler
    severity: medium
    where: {field: stage, equals: customer}
    check: {kind: required, fields: [phone, mobile], need: any}
    actions:
      - task:
          to: owner
          due: 14 days
          title: {en: "Ask {full_name} for a phone number", fr: "Demander un numéro à {full_name}"}
          body:
            en: "{full_name} ({company}) is a customer without a phone number."
            fr: "{full_name} ({company}) est client, sans numéro de téléphone."
    mode: propose
"""
