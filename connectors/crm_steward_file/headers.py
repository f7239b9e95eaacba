"""What the columns of contact exports are called, in French and English and by the large CRMs."""

from __future__ import annotations

from collections.abc import Mapping

BOTH: Mapping[str, str] = {
    "id": "id; uid; uuid; id contact; contact id; code contact",
    "email": "email; e mail; mail; mail 1; email 1; e mail 1",
    "mobile": "mobile; sms",
    "source": "source; utm source",
    "url": "url crm",
    "notes": "notes; note; description",
    "job_title": "position",
    "region": "region",
    "consent_email": "opt in; optin; opt in email; optin email; email opt in; newsletter; "
    "optin newsletter; opt in newsletter; opt in marketing; marketing opt in; marketing optin",
    "consent_sms": "opt in sms; optin sms; sms opt in; sms optin",
    "opt_out_email": "opt out; optout; opt out email; optout email; email opt out; email optout; "
    "hs email optout",
    "opt_out_sms": "opt out sms; optout sms; sms opt out; sms optout",
}

ENGLISH: Mapping[str, str] = {
    "id": "record id; identifier; contact number; customer id; customer number; client id; "
    "person id; lead id; hs object id; vid; external id",
    "first_name": "first name; firstname; given name; forename; fname; christian name",
    "last_name": "last name; lastname; surname; family name; lname; second name",
    "full_name": "full name; fullname; contact name; person name; display name; lead name; contact",
    "email": "email address; e mail address; mail address; primary email; work email; "
    "business email; email work; email home; email other; secondary email; other email; "
    "additional email addresses; personal email; email 2; e mail 2; private email",
    "phone": "phone; telephone; tel; phone number; telephone number; work phone; business phone; "
    "office phone; phone work; phone other; other phone; landline; main phone; direct line; "
    "phone 1; phone 2; company phone",
    "mobile": "mobile phone; mobile phone number; mobile number; cell; cell phone; cellphone; "
    "cellular; phone mobile; cell number",
    "home_phone": "home phone; phone home; home phone number; home telephone; private phone",
    "company": "company; company name; organization; organisation; organization name; account; "
    "account name; associated company; business name; employer; firm",
    "job_title": "job title; jobtitle; title; role; job; job function; occupation; function",
    "street": "address; street; street address; address line 1; address 1; address line; "
    "mailing street; mailing address; postal address; street name; other street; billing street",
    "postcode": "postcode; post code; zip; zip code; zipcode; postal code; zip postal code; "
    "mailing zip; mailing postal code; mailing zip postal code; postal address zip postal code; "
    "billing postal code",
    "city": "city; town; mailing city; locality; billing city; postal address city",
    "region": "state; province; state region; state province; county; mailing state; "
    "mailing state province; billing state; postal address state county",
    "country": "country; country region; country code; mailing country; nation; billing country; "
    "postal address country",
    "language": "language; preferred language; lang; locale",
    "website": "website; web site; website url; web; homepage; site; url; company website; web page",
    "owner": "owner; contact owner; record owner; account owner; lead owner; hubspot owner id; "
    "hubspot owner; sales rep; sales representative; salesperson; account manager; assigned to; "
    "owner name; owner id; responsible",
    "stage": "stage; lifecycle stage; lifecyclestage; status; customer status; contact status; "
    "lead status; contact stage; relationship; contact type; label; person label",
    "kind": "customer type; client type; business type; segment type; contact kind; b2b b2c",
    "source": "lead source; original source; contact source; acquisition source; source channel; "
    "original traffic source; origin",
    "created_at": "created; created at; created on; creation date; create date; createdate; "
    "created date; created time; date created; date added; add time; person created; "
    "contact created; added on; signup date; registered at",
    "updated_at": "updated; updated at; updated on; update time; modified; modified at; "
    "modified on; modified time; last modified; last modified date; last updated; "
    "lastmodifieddate; last change; last changed; system modstamp",
    "last_person_act": "last purchase; last purchase date; last order; last order date; "
    "last reply; last replied; last reply date; last form submission; recent conversion date; "
    "last conversion date; last click; last click date; last email click date; last response; "
    "last email reply date; last inbound contact; last contact from person",
    "last_activity": "last activity; last activity date; last activity time; last interaction; "
    "last interaction date; last contact; last contact date; last contacted; last contacted date; "
    "last engagement; last engagement date; last touch; notes last updated; notes last contacted; "
    "last seen; date of last activity; last visit",
    "collected_at": "collection date; date of collection; collected at; collected on; date collected",
    "informed_at": "informed at; informed on; date informed; privacy notice sent",
    "contract_end": "contract end; contract end date; contract expiry; contract expiry date; "
    "contract expires; end of contract date",
    "last_login": "last login date; last login at; last sign in; last logged in",
    "last_mailed_at": "last email sent; last email send date; last marketing email; "
    "last campaign; last mailing date; last marketing email send date",
    "birth_date": "birth date; birthdate; birthday; dob; born; born on",
    "rights_request_at": "rights request; data subject request; gdpr request; dsar; dsr",
    "source_type": "source type; data source type",
    "legal_hold": "litigation hold; on legal hold",
    "purchases": "number of purchases; purchase count; orders; number of orders; order count; "
    "total orders; orders count",
    "url": "record url; record link; contact url; crm link; crm url; profile url",
    "notes": "comment; comments; remarks; free text; memo; internal notes",
    "consent_email": "consent; gdpr; gdpr consent; email consent; consent email; "
    "marketing consent; consent marketing; consent status; subscribed; subscription; "
    "newsletter subscription; email subscription; subscribed to newsletter; marketing status; "
    "email marketing status; email permission; permission; "
    "accepts marketing; accepts email marketing; marketing emails status",
    "consent_sms": "sms consent; consent sms; sms subscription; accepts sms marketing; "
    "text message consent; sms marketing status",
    "consent_phone": "phone consent; call consent; consent phone; opt in phone; phone opt in",
    "consent_post": "postal consent; mail consent; post consent; consent post; opt in post",
    "opt_out_email": "unsubscribed; unsubscribed from all email; unsubscribe; unsubscribed email; "
    "has opted out of email; do not email; do not contact; opted out; opted out email; "
    "no email; blocklisted; email opted out; do not mail email",
    "opt_out_sms": "do not sms; do not text; unsubscribed sms; sms unsubscribed",
    "opt_out_phone": "do not call; dnc; phone opt out; no calls; has opted out of phone",
    "opt_out_post": "do not mail; do not post; post opt out; no post; no postal mail",
    "consent_given_at": "consent date; date of consent; consented at; opt in date; opt in at; "
    "opt in time; optin date; optin time; consent given at; subscription date; subscribed at; "
    "gdpr consent date; confirm time",
    "consent_withdrawn_at": "unsubscribe date; unsubscribed at; opt out date; opt out at; "
    "consent withdrawn at; unsub time; withdrawal date; unsubscription date; optout date",
    "consent_how": "consent method; consent type; how consent was given; opt in method; "
    "consent how; consent mode",
    "consent_source": "consent source; opt in source; opt in form; consent form; opt in origin; "
    "source of consent",
    "consent_text_version": "consent text; consent version; consent text version; "
    "privacy notice version; privacy policy version; consent wording",
    "consent_basis": "legal basis; lawful basis; legal basis for processing contact s data; "
    "legal basis for processing; lawful basis for processing; legal ground; consent basis",
    "consent_evidence": "consent proof; proof of consent; consent evidence; consent reference; "
    "opt in ip; consent record",
}

FRENCH: Mapping[str, str] = {
    "id": "identifiant; n; no; num; numero; reference; ref; identifiant contact; numero client; "
    "n client; no client; code client; id client; ref client; reference client; numero contact; "
    "n contact; id d enregistrement; id de fiche d informations; numero de client; id de l objet; "
    "id unique; identifiant unique; matricule",
    "first_name": "prenom; prenoms; prenom contact; prenom du contact; prenom client",
    "last_name": "nom de famille; nom contact; nom du contact; nom client; nom de naissance; "
    "nom usuel; patronyme; nom d usage",
    "full_name": "nom complet; nom et prenom; prenom et nom; nom prenom; prenom nom; "
    "nom prenoms; interlocuteur; contact principal; nom entier; nom affiche",
    "email": "courriel; adresse mail; adresse email; adresse e mail; adresse de messagerie; "
    "mel; adresse courriel; adresse electronique; messagerie; mail pro; email pro; e mail pro; "
    "mail professionnel; email professionnel; e mail professionnel; courriel professionnel; "
    "email perso; mail perso; autre e mail; autre email; autre mail; email secondaire; mail 2; "
    "e mail secondaire; email principal; e mail principal; mail contact; email contact; "
    "e mail contact; mail personnel; email personnel",
    "phone": "telephone fixe; tel fixe; fixe; numero de telephone; numero telephone; "
    "n de telephone; n telephone; tel pro; telephone professionnel; telephone pro; "
    "telephone bureau; tel bureau; telephone 1; telephone 2; tel 1; tel 2; ligne directe; "
    "telephone principal; autre telephone; standard; telephone contact; tel contact; "
    "telephone travail; telephone entreprise",
    "mobile": "portable; tel portable; telephone portable; tel mobile; telephone mobile; gsm; "
    "numero portable; numero de portable; numero mobile; numero de mobile; n portable; n mobile; "
    "numero de telephone mobile; numero de telephone portable; tel port; cellulaire; natel",
    "home_phone": "telephone domicile; tel domicile; telephone personnel; tel perso; "
    "telephone perso; telephone prive; tel prive",
    "company": "societe; entreprise; raison sociale; nom de l entreprise; nom entreprise; "
    "nom de la societe; nom societe; nom du compte; compte; organisme; etablissement; "
    "structure; enseigne; employeur; entreprise associee; denomination; denomination sociale",
    "job_title": "fonction; poste; intitule du poste; intitule de poste; titre; metier; "
    "profession; emploi; role; titre du poste; poste occupe; qualite",
    "street": "adresse; rue; adresse postale; voie; adresse 1; adresse ligne 1; ligne adresse 1; "
    "numero et rue; numero et voie; n et rue; adresse complete; rue et numero; adresse rue",
    "postcode": "code postal; cp; npa; codepostal; code post; adresse code postal",
    "city": "ville; commune; localite; adresse ville",
    "region": "departement; province; canton; etat region; etat",
    "country": "pays; pays region; code pays; adresse pays",
    "language": "langue; langue preferee; langue de communication; langue parlee",
    "website": "site web; site internet; url du site; site; url du site web; page web; url site; "
    "adresse du site; site de l entreprise; adresse web",
    "owner": "proprietaire; commercial; proprietaire du contact; responsable; charge d affaires; "
    "charge de clientele; commercial attitre; conseiller; gestionnaire; vendeur; suivi par; "
    "attribue a; assigne a; affecte a; responsable commercial; charge de compte; referent; "
    "proprietaire contact; proprietaire de la fiche",
    "stage": "statut; etape; statut client; statut du contact; statut contact; stade; phase; "
    "phase du cycle de vie; cycle de vie; statut du lead; statut lead; client prospect; "
    "prospect client; statut commercial; etape client; etape prospect; type de relation; "
    "etat client; type de contact; type contact; relation; statut prospect",
    "kind": "type de client; type client; categorie client; particulier professionnel; "
    "type de personne; nature du client; categorie de client",
    "source": "origine; provenance; source du contact; origine du contact; canal d acquisition; "
    "source d origine; origine contact; source du lead; source de la piste; source contact; "
    "comment nous avez vous connu",
    "created_at": "date de creation; cree le; creation; date creation; date d ajout; ajoute le; "
    "date d entree; date d inscription; inscrit le; date ajout; date de creation du contact; "
    "date de saisie; saisi le; date inscription",
    "updated_at": "date de modification; modifie le; derniere modification; mis a jour le; "
    "date de mise a jour; mise a jour; date modification; date de derniere modification; "
    "derniere mise a jour; maj; date maj; maj le",
    "last_person_act": "dernier achat; date du dernier achat; date dernier achat; "
    "derniere commande; date de la derniere commande; date derniere commande; derniere reponse; "
    "date de derniere reponse; dernier clic; date du dernier clic; dernier formulaire; "
    "dernier formulaire soumis; date de derniere conversion; derniere conversion; "
    "dernier contact entrant; dernier contact du client; dernier contact du prospect; "
    "dernier contact emanant du prospect; date de derniere commande; dernier passage en caisse",
    "last_activity": "derniere interaction; date derniere interaction; "
    "date de derniere interaction; date de la derniere interaction; dernier contact; "
    "date dernier contact; date du dernier contact; date de dernier contact; derniere activite; "
    "date derniere activite; date de derniere activite; date de la derniere activite; "
    "dernier echange; date du dernier echange; derniere visite; derniere relance; contacte le; "
    "dernier rendez vous; dernier rdv; derniere action; date de derniere visite",
    "collected_at": "date de collecte; date collecte; collecte le; date de collecte des donnees",
    "informed_at": "informe le; date d information; date information; date information rgpd",
    "contract_end": "date de fin de contrat; date fin contrat; fin contrat; fin du contrat; "
    "date de fin du contrat; echeance du contrat; echeance contrat",
    "last_login": "date de derniere connexion; date derniere connexion",
    "last_mailed_at": "dernier envoi; date du dernier envoi; dernier mailing; dernier emailing; "
    "derniere campagne; date dernier envoi",
    "birth_date": "naissance; date naissance; ne le; nee le; anniversaire; ddn",
    "rights_request_at": "demande de droits; demande rgpd; demande d exercice de droits; "
    "date demande rgpd; demande d effacement",
    "source_type": "type de source; type d origine des donnees",
    "legal_hold": "gel juridique; conservation contentieux",
    "purchases": "nombre d achats; nb achats; nombre de commandes; nb commandes; commandes",
    "url": "lien; lien crm; lien de la fiche; lien fiche; url de la fiche; url fiche",
    "notes": "commentaire; commentaires; remarque; remarques; observation; observations; "
    "texte libre; memo; infos",
    "consent_email": "consentement; consentement email; consentement e mail; consentement mail; "
    "consentement rgpd; rgpd; accord rgpd; consentement marketing; consentement newsletter; "
    "inscrit newsletter; abonne newsletter; abonne; abonnement newsletter; lettre d information; "
    "accepte newsletter; accepte les emails; accepte les e mails; accord email; accord; "
    "infolettre; inscription newsletter; inscrit a la newsletter; abonne a la newsletter; "
    "consentement courriel; statut consentement; statut du consentement; accord commercial; "
    "accepte la prospection; statut d abonnement; statut marketing",
    "consent_sms": "consentement sms; accord sms; accepte sms; accepte les sms; abonne sms",
    "consent_phone": "consentement telephone; consentement telephonique; accord telephone; "
    "accepte les appels; consentement appel; opt in telephone; optin telephone; optin tel",
    "consent_post": "consentement courrier; consentement postal; accord courrier; "
    "opt in courrier; optin courrier; opt in postal; optin postal",
    "opt_out_email": "desinscrit; desinscription; desabonne; desabonnement; desinscrit newsletter; "
    "desabonne newsletter; refus email; refus e mail; refuse email; stop email; stop pub; "
    "ne pas contacter; opposition; desinscrit email; desinscrit e mail; refus prospection; "
    "desinscrit de tous les e mails; opposition prospection; opposition email; liste noire; "
    "ne pas envoyer d e mail; ne pas envoyer d email; blackliste",
    "opt_out_sms": "stop sms; desinscrit sms; refus sms; opposition sms; desabonne sms",
    "opt_out_phone": "bloctel; ne pas appeler; refus appel; refus telephone; opposition telephone; "
    "liste rouge; opt out telephone; optout telephone; inscrit bloctel",
    "opt_out_post": "refus courrier; stop courrier; opposition courrier; opt out courrier; "
    "ne pas envoyer de courrier",
    "consent_given_at": "date de consentement; date du consentement; date consentement; "
    "date opt in; date optin; date d opt in; date d optin; consentement le; consenti le; "
    "date accord; date rgpd; date d abonnement; date abonnement; date consentement rgpd; "
    "date de l accord; date inscription newsletter; date d inscription newsletter",
    "consent_withdrawn_at": "date de desinscription; date desinscription; desinscrit le; "
    "date opt out; date optout; date d opt out; date de desabonnement; date desabonnement; "
    "desabonne le; date de retrait; date de retrait du consentement; date d opposition",
    "consent_how": "mode de consentement; mode de recueil; moyen de consentement; "
    "mode de collecte; modalite de recueil; mode du consentement; mode consentement; "
    "comment le consentement a ete donne; methode de consentement; type de consentement",
    "consent_source": "source du consentement; origine du consentement; source consentement; "
    "origine consentement; formulaire de consentement; source opt in; source optin; "
    "source de l opt in; lieu de collecte; origine opt in; origine optin",
    "consent_text_version": "version du consentement; texte du consentement; "
    "version du texte; texte de consentement; version texte consentement; mention d information; "
    "version mention; version de la mention; texte consentement; version consentement",
    "consent_basis": "base legale; fondement; fondement juridique; base juridique; "
    "base legale du traitement",
    "consent_evidence": "preuve; preuve du consentement; preuve de consentement; "
    "preuve consentement; reference de la preuve; justificatif",
}

WEAK = frozenset({"lead status", "statut du lead", "statut lead"})
"""Where work on a lead stands: read as the stage only where no column says the stage itself."""

EITHER = frozenset({"nom", "name"})
"""A family name beside a first name; alone, nobody can tell: it is taken as the full name."""
