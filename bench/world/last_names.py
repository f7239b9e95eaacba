"""Last names by origin: the commonest, and the parts of which the long tail is made."""

# ruff: noqa: RUF001 -- Turkish has a dotless i

from __future__ import annotations

from typing import Final

LAST_NAMES: Final = {
    "FR": "Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy Roux David Bertrand Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Vincent Muller Lefèvre Faure André Mercier Blanc Guérin Boyer Garnier Chevalier François Legrand Gauthier Garcia Perrin Robin Clément Morin Nicolas Henry Roussel Mathieu Gautier Masson Marchand Duval Denis Dumont Marie Lemaire Noël Meyer Dufour Meunier Brun Blanchard Giraud Joly Rivière Lucas Brunet Gaillard Barbier Arnaud Martinez Gérard Roche Renard Schmitt Roy Leroux Colin Vidal Caron Picard Roger Fabre Aubert Lemoine Renaud Dumas Lacroix Olivier Philippe Bourgeois Pierre Benoît Rey Leclerc Payet Rolland Leclercq Guillaume Lecomte Lopez Jean Dupuy Guillot Hubert Berger Carpentier Sanchez Dupuis Moulin Louis Deschamps Huet Vasseur Perez Boucher Fleury Royer Klein Jacquet Adam Paris Poirier Marty Aubry Guyot Carré Charles Renault Charpentier Ménard Maillard Baron Bertin Bailly Hervé Schneider Fernandez Le-Gall Collet Léger Bouvier Julien Prévost Millet Perrot Daniel Cousin Germain Breton Besson Langlois Rémy Le-Roux Pelletier Lévêque Perrier Leblanc Barré Lebrun Marchal Weber Mallet Hamon Boulanger Jacob Monnier Michaud Rodriguez Guichard Gillet Étienne Grondin Poulain Tessier Chevallier Collin Chauvin Bouchet Gay Lemaître Bénard Maréchal Humbert Reynaud Antoine Hoarau Perret Barthélemy Cordier Pichon Lejeune Gilbert Lamy Delaunay Pasquier Carlier Laporte",
    "DE": "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Schmitz Krause Meier Lehmann Schmid Schulze Maier Köhler Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Scholz Möller Weiß Jung Hahn Schubert Vogel Friedrich Keller Günther Frank Berger Winkler Roth Beck Lorenz Baumann Franke Albrecht Schuster Simon Ludwig Böhm Winter Kraus Martin Schumacher Krämer Vogt Stein Jäger Otto Sommer Groß Seidel Heinrich Brandt Haas Schreiber Graf Schulte Dietrich Ziegler Kuhn Kühn Pohl Engel Horn Busch Bergmann Thomas Voigt Sauer Arnold Wolff Pfeiffer Ernst Lindner Hübner Kramer Nowak Barth Fiedler Moser Götz Greiner Ebert Paul Kraft Beyer Kern Ullrich Brückner Böttcher Thiel Wenzel Reuter Metzger Kurz Lutz Sander Stahl Riedel Kirsch Bender Voß Fritz Wirth Steiner Dietz Hermann Lenz Schütz Bachmann Schilling Noack Nagel Marx Kunz Ritter Rau Engelhardt Bock Urban Franz Zimmer Wegner Heinz Hauser Strauß Weiss Kremer Schreiner Gruber Eckert Körner Zander Reimann",
    "ES": "García Rodríguez González Fernández López Martínez Sánchez Pérez Gómez Martín Jiménez Ruiz Hernández Díaz Moreno Muñoz Álvarez Romero Alonso Gutiérrez Navarro Torres Domínguez Vázquez Ramos Gil Ramírez Serrano Blanco Molina Morales Suárez Ortega Delgado Castro Ortiz Rubio Marín Sanz Núñez Iglesias Medina Garrido Cortés Castillo Santos Lozano Guerrero Cano Prieto Méndez Cruz Calvo Gallego Vidal León Márquez Herrera Peña Flores Cabrera Campos Vega Fuentes Carrasco Diez Reyes Caballero Nieto Aguilar Pascual Santana Herrero Lorenzo Montero Hidalgo Giménez Ibáñez Ferrer Durán Santiago Benítez Mora Vicente Vargas Arias Carmona Crespo Román Pastor Soto Sáez Velasco Moya Soler Parra Esteban Bravo Gallardo Rojas Pardo Merino Franco Espinosa Izquierdo Lara Rivas Silva Rivera Casado Arroyo Redondo Camacho Rey Vera Otero Luque Galán Montes Ríos Sierra Segura Carrillo Marcos Marti Soriano Mendoza",
    "GB": "Smith Jones Taylor Brown Williams Wilson Johnson Davies Robinson Wright Thompson Evans Walker White Roberts Green Hall Wood Jackson Clarke Patel Khan Lewis James Phillips Mason Mitchell Rose Davis Rodgers Edwards Hughes Martin Turner Hill Harris Cooper King Lee Clark Ward Moore Morris Harrison Baker Allen Watson Scott Young Morgan Parker Bennett Carter Anderson Cook Bailey Shaw Price Collins Bell Marshall Richardson Miller Cox Adams Simpson Murphy Ellis Kelly Foster Chapman Gray Wilkinson Stewart Webb Rogers Reid Hunt Holmes Mills Palmer Matthews Fisher Robertson Barnes Knight Lloyd Butler Russell Barker Campbell Stevens Jenkins Dixon Fletcher Hunter Walsh Ford Pearson Graham Harvey Burton Andrews Fox Stevenson Gibson Howard Armstrong Grant McDonald Murray Ross Henderson Cole Reynolds West O'Brien O'Connor Brooks Lawrence Spencer Payne Rice Hawkins Lawson Francis Porter Bradley Hart Pritchard Dean Doyle Burns Newman Perry Sutton Banks Gordon Fraser MacLeod McKenzie",
    "US": "Smith Johnson Williams Brown Jones Miller Davis Wilson Anderson Thomas Taylor Moore Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen King Wright Scott Hill Green Adams Nelson Baker Hall Campbell Mitchell Carter Roberts Phillips Evans Turner Parker Collins Edwards Stewart Morris Murphy Cook Rogers Morgan Peterson Cooper Reed Bailey Bell Kelly Howard Ward Cox Richardson Wood Watson Brooks Bennett Gray James Hughes Price Myers Long Foster Sanders Ross Powell Sullivan Russell Jenkins Perry Butler Barnes Fisher Henderson Coleman Simmons Patterson Jordan Reynolds Hamilton Graham Wallace Woods Cole West Owens Gibson McDonald Marshall Ellis Harrison Freeman Wells Webb Simpson Stevens Tucker Porter Hunter Hicks Crawford Henry Boyd Mason Kennedy Warren Dixon Burns Gordon Shaw Holmes Rice Robertson Hunt Black Daniels Palmer Mills Nichols Grant Knight Ferguson Stone Hawkins Dunn Perkins Hudson Spencer Gardner Payne Pierce Berry Arnold Wagner Willis Ray Watkins Olson Carroll Duncan Snyder Hart Cunningham Bradley Lane Andrews Harper Fox Riley Armstrong Carpenter Weaver Greene Elliott Sims Peters Kelley Franklin Lawson Fields Ryan Schmidt Carr Wheeler Chapman Oliver O'Neill McCarthy",
    "AR": "Benali Mohamed Ahmed Saïdi Bouzid Haddad Mansouri Belkacem Khelifi Brahimi Hamdi Slimani Cherif Amrani Idrissi Alaoui Bennani Tahiri Hussain Khan Ali Rahman Malik Hassan Mahmoud Ben-Salah Ben-Amor El-Amrani El-Khatib Trabelsi Gharbi Mebarki Ziani Toumi Belhadj Messaoudi Zerrouki Chaoui Bakkali Rahmani Hashemi Farouk Nasser Yousef Aziz Iqbal Chaudhry Mahmood Akhtar Begum Bouchareb Kaddour Meziane Ouali",
    "SL": "Ivanov Petrov Smirnov Kuznetsov Popov Sokolov Kowalski Nowak Wiśniewski Wójcik Kamiński Lewandowski Zieliński Szymański Dąbrowski Volkov Fedorov Morozov Shevchenko Bondarenko Kovalenko Tkachenko Mazur Krawczyk Novák Horvat Jovanović Marković Petrović Nikolić Popescu Ionescu Dimitrov Georgiev Sidorov Zaytsev Pavlov Yakovlev Tchaikovsky Wieczorek Jankowski Adamczyk Pawlak Król",
    "TR": "Yılmaz Kaya Demir Şahin Çelik Yıldız Yıldırım Öztürk Aydın Özdemir Arslan Doğan Kılıç Aslan Çetin Kara Koç Kurt Özkan Şimşek Polat Korkmaz Çakır Erdoğan Güneş Aksoy Bulut Keskin Ünal Turan Güler Yavuz Can Avcı Tekin Taş Aktaş Bozkurt Uçar Coşkun",
}

LAST_PARTS: Final = {
    "FR": (
        "Ba Ber Bou Bra Bri Ca Cha Che Chau Cor Cou Da Del Des Du Du Fa Fe Fou Ga Gau Gi Gra Gue Guil Ha Jau Jo La Le Lor Lou Ma Mar Men Mi Mon Mor Na Nor Pa Pe Pi Plan Pou Pra Ra Re Ri Ro Sa Sau Se Ta The Tour Tri Va Ver Vi",
        "bi bra char chi cou da dar de di do fi ga gi gna go gue la lan le li lla lo ma me mi mo na ne ni no pe pi ra re ri ro sa se ssa si ta te ti to va vi zi",
        "chet rand neau lier rel bert nat zon let tier gnon court ville mont vier lin geon dot quet nard vain son teau neix din got reau mel sard ry chon las bal ton vel ard et in ot on",
    ),
    "DE": (
        "Ach Al Bau Ber Birk Blu Brau Buch Dah Der Eber Eich Ess Fal Fel Fink Ger Gold Grau Grim Ha Hein Her Hol Hum Ill Kal Kel Kerk Kir Kno Kol Kram Lam Leh Lin Lud Man Meis Mer Nie Ober Oster Pech Pra Rab Rei Rin Ros Sand Schön Schür See Sie Span Stein Stol Tan Tie Un Volk Wal Wei Wim Zan",
        "bel ben den der ding el en er fel ge gel gen ger hei hel ken kel le lem len ler lin me mel men mer nen ner nig pel per ren ri sen ser stein tel ten ter the wal zel zen",
        "mann meier müller berg burg bach feld hardt hof haus horst holz hold ing ke ler ling nagel rich rod roth schmidt stedt stein thal wald weg wirt ner ger sen er hagen kamp loh bauer huber",
    ),
    "ES": (
        "Agui Al Ama An Ara Ba Barre Be Bo Bu Ca Car Ce Co Cor Cuen Da Do Eche El Es Fa Fi Fon Ga Go Gra Gue Her Ira Iz La La Lo Ma Men Mi Mo Mon Na O Or Oli Pa Pe Pi Po Que Re Ri Ro Sa San Sal Se So Ta To Ur Va Ve Vi Vil Za Zu",
        "ba be ca ce da de do fe ga go gue ja la lo lla ma me mi mo na ne ni no pe qui ra re ri ro rra rri sa se ta te ti to va ve vi za zo",
        "rez guez cía ño do nes les ras ros llo lla sa da nal ner tín rro ga goa iz edo era ero eta ena ano olo osa ola ura illo ales ares ell as an in et",
    ),
    "GB": (
        "Ab Ack Al Ash At Bar Bar Beck Ber Black Bos Brad Bram Bur Cal Car Chad Clay Col Cra Cul Dal Den Dor Ed El Fair Far Fen Gar Gil Glen Gos Had Hal Har Hath Hol Hors Kel Ken Kirk Lang Led Lin Lock Mal Mar Mel Nor Oak Pem Pen Rad Raw Red Rus Sed Sher Stan Thorn Wake War West Whit Win",
        "a an ber bor bur den der dle e el en er ger il in ing le len ler li ling low man mer more ner nes or per ren ring row se sen ster ter ting tle ton wor y",
        "bury by cliffe combe cote croft dale den field ford ham hurst land ley low man more ridge shaw stead ster stone thwaite ton well wick wood worth son s er ington gate smith wright all",
    ),
    "US": (
        "Ab Al An Ar Bal Bar Ber Bir Bo Bran Bur Cal Car Cas Clay Col Con Cra Dal Dav De Den Don Du El Er Fal Far Fer Gal Gar Gib Gre Hal Han Har Hen Hol Jen Kel Ken Kin Lan Lar Len Lin Mac Mal Mar Mc Mer Mil Mor Nel Nor Pat Pen Ran Ro San Scha Sher Stan Sut Tal Van Wal Wes Wil Zim",
        "ba be bi ca ce cha da de di er fa fi ga ge in ka ke la le li lo ma me mer mi na ne ni no ra re ri ro sa se so sti ta te ti to va ve wi",
        "berg bert by den der dorf dy er field ford gan gle ham ington kins land ler ley lin man mann mer ner ney nolds o ola rell ren ris ski son sen ster strom ter ton ville way well wick wood",
    ),
    "AR": (
        "Ab Ait Al Ben Bel Bou Cha Dja El Fa Gha Ha Ham Ka Kha La Ma Me Mou Na Ou Ra Sa Sli Ta Tou Ya Za Ze Zi",
        "ba bde cha da de dda fa ha he ka la le li ma me mi mou na ne ni ra re ri rou sa se ssa ta ti wa za ze",
        "ni di oui aoui cem chi dine douche far ri hi kri lah li ma mane mi moun nine oud ouf our rek si ssi ti zi zid",
    ),
    "SL": (
        "Ale Ba Be Bo Bor Bra Che Da De Do Dra Fe Gol Gor Gri Hor Iva Jan Ka Ko Kra Ku La Li Lu Ma Mi Mo Na No Or Pav Pe Po Ra Ro Sa Se Sho So Sta Sto Ta Vas Ve Vol Za Ze Zho",
        "bo che da de di do go ka ke ki ko la le li lo ma me mi mo na ne ni no ra re ri ro sa se sho ta te ti to va ve vo za ze zi",
        "bov chenko chuk czyk dov enko ev ić in kin kov lov lski min nko nov ov ović pov rov rski sky shin tov vić wicz ski nenko ak ek ik",
    ),
    "TR": (
        "Ak Al Ar Ay Bal Ba Bo Ça De Do Er Gü Gök Ha İn Ka Kı Ko Kü Me Na Or Öz Sa Se Şe Ta Te Tu Uz Ya Ye Yü Ze",
        "ba ca de di du ga ka ke kı la le li lu ma me mi na ra re ri rı sa se şa ta te tü ya ye yı za",
        "bay can cı dağ demir doğan er gül han kan kaya lar lı man nar oğlu pınar san soy taş tekin tepe türk yol yurt",
    ),
}
"""Origin → beginnings, middles (none, one or two are taken) and endings."""
