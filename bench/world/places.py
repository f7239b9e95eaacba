"""Cities, streets, telephone prefixes and trades by country."""

from __future__ import annotations

from typing import Final

CITIES: Final = {
    "FR": "Paris:75001:1 Marseille:13001:4 Lyon:69001:4 Toulouse:31000:5 Nice:06000:4 Nantes:44000:2 Montpellier:34000:4 Strasbourg:67000:3 Bordeaux:33000:5 Lille:59000:3 Rennes:35000:2 Reims:51100:3 Saint-Étienne:42000:4 Toulon:83000:4 Grenoble:38000:4 Dijon:21000:3 Angers:49000:2 Nîmes:30000:4 Villeurbanne:69100:4 Clermont-Ferrand:63000:4 Le_Mans:72000:2 Brest:29200:2 Tours:37000:2 Amiens:80000:3 Limoges:87000:5 Annecy:74000:4 Perpignan:66000:4 Metz:57000:3 Besançon:25000:3 Orléans:45000:2 Rouen:76000:2 Mulhouse:68100:3 Caen:14000:2 Nancy:54000:3 Avignon:84000:4 Poitiers:86000:5 Pau:64000:5 La_Rochelle:17000:5 Versailles:78000:1 Créteil:94000:1",
    "DE": "Berlin:10115:30 Hamburg:20095:40 München:80331:89 Köln:50667:221 Frankfurt_am_Main:60311:69 Stuttgart:70173:711 Düsseldorf:40213:211 Leipzig:04109:341 Dortmund:44135:231 Essen:45127:201 Bremen:28195:421 Dresden:01067:351 Hannover:30159:511 Nürnberg:90402:911 Duisburg:47051:201 Bochum:44787:231 Wuppertal:42103:211 Bielefeld:33602:521 Bonn:53111:228 Münster:48143:251 Karlsruhe:76131:721 Mannheim:68159:621 Augsburg:86150:821 Wiesbaden:65183:69 Braunschweig:38100:511 Kiel:24103:40 Aachen:52062:221 Freiburg:79098:721 Mainz:55116:69 Lübeck:23552:40",
    "ES": "Madrid:28001:91 Barcelona:08001:93 Valencia:46001:96 Sevilla:41001:95 Zaragoza:50001:976 Málaga:29001:95 Murcia:30001:968 Palma:07001:96 Bilbao:48001:945 Alicante:03001:96 Córdoba:14001:95 Valladolid:47001:91 Vigo:36201:981 Gijón:33201:981 La_Coruña:15001:981 Vitoria:01001:945 Granada:18001:95 Elche:03201:96 Oviedo:33001:981 Tarrasa:08221:93 Badalona:08911:93 Cartagena:30201:968 Jerez:11401:95 Pamplona:31001:945 Almería:04001:95 San_Sebastián:20001:945 Santander:39001:945",
    "GB": "London:SW1:207 Birmingham:B1:161 Manchester:M1:161 Leeds:LS1:151 Glasgow:G1:141 Liverpool:L1:151 Sheffield:S1:161 Bristol:BS1:1273 Edinburgh:EH1:141 Leicester:LE1:1223 Bradford:BD1:151 Cardiff:CF1:1865 Coventry:CV1:1865 Nottingham:NG1:1223 Hull:HU1:191 Stoke:ST1:161 Newcastle:NE1:191 Derby:DE1:1223 Southampton:SO1:1273 Portsmouth:PO1:1273 Brighton:BN1:1273 Plymouth:PL1:1865 Reading:RG1:1865 Luton:LU1:208 Norwich:NR1:1223 York:YO1:1904 Oxford:OX1:1865 Cambridge:CB1:1223",
    "US": "New_York:10001:212 Los_Angeles:90001:213 Chicago:60601:312 Houston:77001:713 Phoenix:85001:602 Philadelphia:19101:215 San_Antonio:78201:210 San_Diego:92101:619 Dallas:75201:214 San_Jose:95101:408 Austin:73301:512 Jacksonville:32099:904 San_Francisco:94101:415 Columbus:43085:614 Indianapolis:46201:317 Seattle:98101:206 Denver:80201:303 Boston:02101:617 Nashville:37201:615 Washington:20001:202 Las_Vegas:89101:702 Portland:97201:503 Memphis:37501:901 Louisville:40201:502 Baltimore:21201:410 Milwaukee:53201:414 Tucson:85701:602 Tampa:33601:813 Miami:33101:305 Atlanta:30301:404",
}
"""Name:first postcode:area code, the largest first."""

VILLAGES: Final = {
    "FR": "ville court -sur-Seine -les-Bains mont y ac -en-Provence ange ières",
    "DE": "hausen heim dorf ingen rode stadt burg bach -am-See felde",
    "ES": "illa eda _de_la_Sierra ar ona ales ete _del_Río osa ún",
    "GB": "ton ham ford bury ley _on_Sea wick field mouth ster",
    "US": "ville ton burg _Springs _City field ford _Falls dale _Park",
}

STREETS: Final = {
    "FR": (
        "rue avenue boulevard place chemin impasse allée quai",
        "de_la_République Victor_Hugo du_Général_de_Gaulle de_la_Gare des_Écoles Pasteur Jean_Jaurès du_Moulin de_l'Église Gambetta des_Lilas de_la_Mairie du_Stade des_Acacias Jules_Ferry du_8_mai_1945 de_la_Fontaine Voltaire du_Château des_Tilleuls Émile_Zola de_Paris du_Port des_Champs Saint-Michel",
    ),
    "DE": (
        "straße weg platz allee gasse ring",
        "Haupt Schul Garten Bahnhof Dorf Berg Birken Linden Kirch Wald Ring Wiesen Rosen Mühlen Goethe Schiller Mozart Industrie Feld Markt Buchen Jahn Friedhof Amsel Post",
    ),
    "ES": (
        "Calle Avenida Plaza Paseo Camino Ronda",
        "Mayor Real de_la_Constitución de_la_Iglesia Nueva San_José de_España Cervantes del_Sol de_Andalucía San_Juan Goya Colón de_la_Fuente del_Carmen Santa_María Velázquez del_Pilar Gran_Vía Murillo del_Mar Ramón_y_Cajal de_la_Paz Alcalá del_Prado",
    ),
    "GB": (
        "Street Road Lane Avenue Close Drive Way Gardens",
        "High Station Church Park Victoria Green Manor Kings Queens Main London Mill School Albert North West York Grange Chapel Windsor Richmond Alexandra Springfield The_Crescent Broad",
    ),
    "US": (
        "Street Avenue Road Drive Lane Boulevard Court",
        "Main Oak Maple Washington Park Elm Lake Hill Pine Cedar 2nd 3rd 4th 5th Walnut Lincoln Jackson Church River Sunset Franklin Jefferson Highland Madison Spring",
    ),
}

MOBILE: Final = {
    "FR": "60 61 62 64 65 66 67 68",
    "DE": "1512 1514 1515 1516 1517 1520 1522 1573 1575 1577",
    "ES": "60 61 62 63 64 65 66 67 68 69",
    "GB": "740 742 745 747 748 750 752 754 771 772 773 774 775 778 779 780 785",
    "US": "646 917 347 424 872 346 480 267 726 858 469 669 737 628 463 720 857 629 503 443",
}
"""Beginnings of national numbers of which any seven digits more make a valid one."""

LANDLINES: Final = {"FR": 9, "DE": 10, "ES": 9, "GB": 10, "US": 10}
"""Digits of a national number."""

CALLING: Final = {"FR": "33", "DE": "49", "ES": "34", "GB": "44", "US": "1"}

FREEMAIL: Final = {
    "FR": "gmail.com:36 orange.fr:18 hotmail.fr:10 free.fr:9 wanadoo.fr:7 yahoo.fr:7 outlook.fr:4 laposte.net:4 sfr.fr:3 icloud.com:2",
    "DE": "gmx.de:24 web.de:24 gmail.com:22 t-online.de:12 hotmail.de:5 yahoo.de:4 freenet.de:4 outlook.de:3 icloud.com:2",
    "ES": "gmail.com:48 hotmail.com:25 yahoo.es:10 hotmail.es:7 telefonica.net:3 outlook.es:4 icloud.com:3",
    "GB": "gmail.com:38 hotmail.co.uk:17 yahoo.co.uk:14 btinternet.com:11 hotmail.com:8 outlook.com:7 icloud.com:5",
    "US": "gmail.com:48 yahoo.com:20 hotmail.com:10 aol.com:8 icloud.com:6 outlook.com:5 comcast.net:3",
}

FORMS: Final = {
    "FR": "SARL SAS SA EURL SASU",
    "DE": "GmbH AG KG UG GbR",
    "ES": "SL SA SLU S.L. S.A.",
    "GB": "Ltd Limited PLC LLP",
    "US": "Inc. LLC Corp. Inc",
}

TRADES: Final = {
    "FR": "Transports Bâtiment Conseil Services Électricité Immobilier Informatique Plomberie Boulangerie Automobiles Industrie Assurances Menuiserie Distribution Énergie Santé Logistique Formation Paysages Ingénierie",
    "DE": "Bau Technik Logistik Consulting Elektro Immobilien Maschinenbau Software Handel Autohaus Metallbau Versicherungen Druck Energie Systeme Medizintechnik Spedition Sanitär Holzbau Marketing",
    "ES": "Transportes Construcciones Consultores Servicios Electricidad Inmobiliaria Informática Instalaciones Alimentación Automóviles Industrias Seguros Carpintería Distribuciones Energía Clínica Logística Formación Jardines Ingeniería",
    "GB": "Transport Builders Consulting Services Electrical Estates Software Plumbing Foods Motors Engineering Insurance Joinery Distribution Energy Care Logistics Training Landscapes Systems",
    "US": "Trucking Construction Consulting Services Electric Realty Software Plumbing Foods Motors Manufacturing Insurance Roofing Supply Energy Health Logistics Partners Landscaping Systems",
}

BRANDS: Final = (
    "Al Ac Nex Ver Syn Lum Or Tec Sol Cor Pro In Vi Ar Ter Quan Ax Del Eco Op Zen Ki Mo Na Ur Hel",
    "ti ra vo ne li do ma ca re na ta so vi lo",
    "va tis on ia ex um us ix nova tech data net ra lia core sys plus max ys gen",
)
"""Beginnings, middles and endings of invented brands."""

JOBS: Final = {
    "FR": "Directeur_commercial Gérant Responsable_achats Assistante_de_direction Comptable Chef_de_projet Ingénieur Commercial Directrice_marketing DRH Technicien Acheteur",
    "DE": "Geschäftsführer Vertriebsleiter Einkäufer Assistentin Buchhalter Projektleiter Ingenieur Kundenberater Leiterin_Marketing Personalleiter Techniker Sachbearbeiter",
    "ES": "Director_comercial Gerente Jefe_de_compras Secretaria Contable Jefe_de_proyecto Ingeniero Comercial Directora_de_marketing Recursos_humanos Técnico Comprador",
    "GB": "Sales_Director Managing_Director Buyer PA Accountant Project_Manager Engineer Account_Manager Head_of_Marketing HR_Manager Technician Office_Manager",
    "US": "VP_Sales CEO Buyer Executive_Assistant Accountant Project_Manager Engineer Account_Executive Marketing_Manager HR_Director Technician Office_Manager",
}

TITLES: Final = {
    "FR": "M. Mme Dr Mme",
    "DE": "Herr Frau Dr. Frau",
    "ES": "Sr. Sra. D. Sra.",
    "GB": "Mr Mrs Dr Ms",
    "US": "Mr. Mrs. Dr. Ms.",
}
"""For a man, a woman, a doctor, a woman."""

MAILBOXES: Final = {
    "FR": "contact info compta accueil commercial",
    "DE": "info kontakt buchhaltung office vertrieb",
    "ES": "info contacto administracion ventas hola",
    "GB": "info enquiries accounts office sales",
    "US": "info contact office sales billing",
}
