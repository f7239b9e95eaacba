"""Short forms of first names by language, and spellings of names that were once in another script."""

from __future__ import annotations

from typing import Final

NICKNAMES: Final = {
    "FR": """Emmanuel:Manu Emmanuelle:Manue Alexandre:Alex,Sacha Alexandra:Alex,Sandra Alexis:Alex
        Frédéric:Fred,Frédo Stéphane:Steph Stéphanie:Steph,Fanny Christophe:Chris,Tophe Christian:Chris
        Christine:Chris,Cricri Nicolas:Nico Dominique:Dom,Domi Philippe:Phil Laurent:Lolo,Laurt
        Laurence:Lolo Sébastien:Seb Sylvie:Syl Véronique:Véro Valérie:Val Nathalie:Nath,Nat
        Patrick:Pat Patricia:Pat,Pati Catherine:Cathy,Cath Isabelle:Isa Sandrine:San Virginie:Nini
        Jacqueline:Jackie Jacques:Jacky Michel:Mich,Mimi Michèle:Mimi Bernadette:Bernie,Détte
        Bernard:Nanard Benjamin:Ben,Benji Benoît:Ben Guillaume:Guigui,Guill Matthieu:Matt
        Mathieu:Mat,Math Maxime:Max Maximilien:Max Théophile:Théo Thomas:Tom,Toto Antoine:Tonio,Toine
        Anthony:Antho,Tony Grégory:Greg Jérémy:Jérem Jérôme:Jéjé François:Franz,Fanch
        Françoise:Fanfan Franck:Francky Gérard:Gégé Jean-François:Jef,Jeff Jean-Pierre:Jipé
        Joséphine:José Joël:Jo Jonathan:Jo,John Julien:Juju Juliette:Jul Florence:Flo Florian:Flo
        Élisabeth:Babeth,Lise,Babette Caroline:Caro Charlotte:Charlie,Lotte Camille:Cam
        Mélanie:Mél Mathilde:Mat,Tilde Delphine:Del Daniel:Dan,Dany Danielle:Dany Gabriel:Gab
        Raphaël:Raph Romain:Ro Vincent:Vince Victor:Vic Xavier:Xav Olivier:Oliv Pascal:Pasc
        Ludovic:Ludo Mickaël:Mick,Mike Cédric:Ced Fabrice:Fab Fabien:Fab Sarah:Sasa Hélène:Léna
        Marguerite:Margot Margaux:Margot Martine:Titine Joséphine:Jo Suzanne:Suzie Simone:Momone
        Marie-Christine:Maryse Marie-Thérèse:Maïté,Marité Marie-Claude:Mariclo Anne-Sophie:Anso
        Anne-Marie:Annie Corinne:Coco Bruno:Nono Arnaud:Nono Damien:Dam Bastien:Bast
        Jean-Claude:Jicé Jean-Luc:Jeanlu Jean-Marc:Jimmy Quentin:Quent Clément:Clem Béatrice:Béa
        Geneviève:Ginou,Viève Amandine:Mandine Aurélie:Lili,Auré Émilie:Mimi,Milie Élodie:Lodie""",
    "DE": """Johannes:Hans,Hannes,Jo Hans:Hansi,Hanni Josef:Sepp,Jupp Joseph:Sepp,Jo Franziska:Franzi,Ziska
        Franz:Franzl Elisabeth:Lisa,Elli,Sissi,Liesel Margarete:Grete,Gretel,Marga Katharina:Kathi,Käthe
        Katrin:Kati Alexander:Alex,Sascha Alexandra:Alex,Sandra Maximilian:Max,Maxi Sebastian:Basti,Bastian
        Matthias:Matze,Hias Michael:Michi,Micha,Michel Andreas:Andi,Anderl Thomas:Tom,Tommy
        Stefan:Steff,Steffl Stefanie:Steffi Christian:Chris,Christl Christina:Tina,Chris Christine:Christl,Tine
        Christoph:Chris,Stoffel Wolfgang:Wolf,Wolle Friedrich:Fritz,Fiete,Friedl Heinrich:Heinz,Heiner,Heini
        Wilhelm:Willi,Helm Karl-Heinz:Kalle Karl:Kalle,Charly Klaus:Klausi Nikolaus:Klaus,Niko
        Günter:Günni Jürgen:Jürg Hans-Jürgen:Hajo,Jürgen Hans-Peter:Hape,Peter Manfred:Manni,Fred
        Siegfried:Siggi Sigrid:Siggi Ulrich:Uli Ulrike:Uli,Rike Gerhard:Gerd,Hardy Bernhard:Bernd,Hardi
        Reinhard:Hardy Rainer:Rai Herbert:Bert,Heri Norbert:Nobbi Joachim:Achim,Jochen Hannelore:Lore,Hanne
        Susanne:Susi,Sanne Sabine:Bine,Biene Gabriele:Gabi Angelika:Geli,Angie Brigitte:Gitte,Gitti
        Birgit:Biggi Monika:Moni Renate:Nate,Reni Ursula:Uschi,Ulla Ingrid:Inge Barbara:Bärbel,Babsi
        Waltraud:Traudel Hildegard:Hilde Rosemarie:Rosi Anneliese:Anne,Liesel Anna-Lena:Anna,Leni
        Ann-Kathrin:Anka Theresa:Resi Cornelia:Conny Claudia:Claudi Dagmar:Daggi Manuela:Manu,Ela
        Melanie:Meli Jennifer:Jenny Jessica:Jessi Vanessa:Nessi Julia:Jule,Juli Johanna:Hanna,Jojo
        Antonia:Toni Anton:Toni Tobias:Tobi Florian:Flo,Flori Philipp:Phil Benjamin:Ben,Benny
        Dominik:Domi Niklas:Nik Daniel:Dani,Danny Ludwig:Lutz,Wiggerl Georg:Schorsch Jakob:Jockel
        Lukas:Luki Leonhard:Leo,Hartl Marcel:Marc Eva-Maria:Evi Isabell:Isa,Bella Heike:Heiki
        Detlef:Det Dieter:Didi Helmut:Helmi Werner:Wern Horst:Hotte Torsten:Totti""",
    "ES": """José:Pepe,Pepito Josefa:Pepa,Fina Josefina:Fina,Pepita Francisco:Paco,Fran,Curro,Kiko
        Francisca:Paca,Paqui Francisco-Javier:Javi,Fran Manuel:Manolo,Lolo,Manu Manuela:Manoli,Lola
        Antonio:Toni,Toño Antonia:Toñi Ignacio:Nacho,Iñaki Dolores:Lola,Loli María-Dolores:Lola,Mariló
        Concepción:Concha,Conchi Mercedes:Merche Pilar:Pili María-Pilar:Pili Rosario:Charo
        Encarnación:Encarna Consuelo:Chelo Carmen:Mamen,Menchu María-Carmen:Mari,Mamen,Carmen
        Teresa:Tere María-Teresa:Maite,Mayte Jesús:Chus,Suso Javier:Javi Alejandro:Álex,Jandro Alejandra:Álex
        Alberto:Berto Roberto:Rober,Berto Rafael:Rafa Enrique:Quique Eduardo:Edu Fernando:Fer,Nando
        Guillermo:Guille Gonzalo:Gonza Ramón:Moncho Vicente:Chente Joaquín:Chimo,Quino Jaime:Jimmy
        Santiago:Santi Salvador:Salva Alfonso:Fonso Daniel:Dani David:Davi Sergio:Checho Miguel:Migue
        Miguel-Ángel:Migue,Mike José-María:Chema José-Luis:Pepelu José-Antonio:Josan
        Juan-Carlos:Juanca Juan-José:Juanjo María-José:Majo,Marijose Ana-María:Ani Ana-Belén:Anabel
        Isabel:Isa,Chabela Beatriz:Bea Cristina:Cris,Tina Montserrat:Montse Inmaculada:Inma
        Margarita:Marga Susana:Susi Mónica:Moni Patricia:Patri Yolanda:Yoli Verónica:Vero
        Victoria:Vicky Elena:Nena Rocío:Chío Lourdes:Lourdi Asunción:Asun Ángeles:Geles
        Begoña:Bego Luisa:Luisi Nicolás:Nico Álvaro:Varo Adrián:Adri Cristian:Cris Víctor:Vic
        Gabriel:Gabi Agustín:Tin Felipe:Pipe Andrés:Andy Tomás:Tomi Emilio:Milio Rodrigo:Rodri
        Ricardo:Richi Germán:Mancho Sandra:Sandri Raquel:Raque Silvia:Sil Daniela:Dani Valeria:Vale
        Sofía:Sofi Lucía:Luci Lorena:Lore""",
    "EN": """William:Bill,Will,Billy,Liam Robert:Bob,Rob,Bobby,Robbie Richard:Rick,Dick,Rich,Richie James:Jim,Jimmy,Jamie
        John:Jack,Johnny Joseph:Joe,Joey Michael:Mike,Mick,Mickey Thomas:Tom,Tommy Charles:Charlie,Chuck
        Christopher:Chris,Topher Daniel:Dan,Danny Matthew:Matt Anthony:Tony Andrew:Andy,Drew
        Stephen:Steve Steven:Steve Edward:Ed,Ted,Eddie,Ned Kenneth:Ken,Kenny Ronald:Ron,Ronnie
        Donald:Don,Donnie Timothy:Tim Jeffrey:Jeff Geoffrey:Geoff Gregory:Greg Jonathan:Jon,Jonny
        Joshua:Josh Nicholas:Nick,Nicky Nathan:Nate Benjamin:Ben,Benny Samuel:Sam Alexander:Alex,Sandy,Xander
        Patrick:Pat,Paddy Peter:Pete Philip:Phil David:Dave Douglas:Doug Frederick:Fred Gerald:Gerry,Jerry
        Lawrence:Larry Leonard:Len,Lenny Raymond:Ray Ralph:Ralphie Walter:Walt,Wally Zachary:Zach,Zak
        Terence:Terry Trevor:Trev Bradley:Brad Harold:Harry,Hal Henry:Hank,Harry Eugene:Gene Francis:Frank
        Russell:Russ Stuart:Stu Vincent:Vince Malcolm:Mal Derek:Del Dominic:Dom Gabriel:Gabe Jacob:Jake
        Arthur:Art Albert:Al,Bert Alan:Al Brandon:Bran Cameron:Cam Oliver:Ollie Maxwell:Max Randy:Rand
        Elizabeth:Liz,Beth,Betty,Lizzie,Eliza Margaret:Maggie,Peggy,Meg,Marge Catherine:Cathy,Kate,Kat Katherine:Kathy,Kate,Katie
        Kathleen:Kathy,Kath Patricia:Pat,Patty,Tricia Jennifer:Jen,Jenny Jessica:Jess,Jessie Rebecca:Becky,Becca
        Deborah:Debbie,Deb Barbara:Barb,Barbie Susan:Sue,Susie Christine:Chris,Tina Cynthia:Cindy
        Sandra:Sandy Pamela:Pam Victoria:Vicky,Tori Samantha:Sam Stephanie:Steph Amanda:Mandy
        Abigail:Abby,Gail Alexandra:Alex,Sandra Jacqueline:Jackie Judith:Judy Dorothy:Dot,Dottie Virginia:Ginny
        Kimberly:Kim Melissa:Mel,Missy Michelle:Shelly Nicola:Nicky Josephine:Jo Joanne:Jo Eleanor:Ellie,Nell
        Charlotte:Charlie,Lottie Allison:Ali,Allie Alison:Ali Theresa:Terry,Tess Teresa:Terry Valerie:Val
        Danielle:Dani Emily:Em Isabella:Bella Natalie:Nat Mary:Molly,Polly Carolyn:Carrie Caroline:Caz,Carrie
        Angela:Angie Brittany:Britt Courtney:Court Bethany:Beth Megan:Meg Lauren:Laurie Rosemary:Rosie
        Beverley:Bev Beverly:Bev Martha:Marty Shirley:Shirl Janet:Jan Janice:Jan Marilyn:Lyn Rachel:Rach""",
    "SL": """Aleksandr:Sasha,Sascha Sergei:Seryozha Vladimir:Vova,Volodya Dmitri:Dima Mikhail:Misha
        Ivan:Vanya Aleksei:Alyosha Evgeny:Zhenya Natalya:Natasha Tatyana:Tanya Ekaterina:Katya
        Anastasia:Nastya Svetlana:Sveta Irina:Ira Elena:Lena Daria:Dasha Katarzyna:Kasia
        Agnieszka:Aga Małgorzata:Gosia Tomasz:Tomek Krzysztof:Krzysiek Piotr:Piotrek Jakub:Kuba""",
    "AR": """Mohamed:Momo,Mo Mohammed:Momo,Mo Abdelkader:Kader Mustapha:Mus Abdallah:Abdel Youssef:Yous
        Khadija:Khadi Fatima:Fati Zakaria:Zak Ibrahim:Ibra Sofiane:Sof Yasmine:Yas""",
    "TR": """Mehmet:Memo Mustafa:Musti İbrahim:İbo Süleyman:Süli Hüseyin:Hüso Fatma:Fatoş Zeynep:Zeyno
        Hatice:Hatçe Yusuf:Yusi""",
}
"""Language → name:short forms; GB and US share EN."""

SPELLINGS: Final = """Mohamed:Mohammed,Muhammad,Mohammad,Muhamed Mohammed:Mohamed,Muhammad,Mohammad
    Ahmed:Ahmad,Achmed Youssef:Yusuf,Yousef,Youcef Mustapha:Mustafa,Moustafa Hassan:Hasan,Hassane
    Said:Saïd,Saeed Rachid:Rashid Brahim:Ibrahim Ibrahim:Brahim,Ebrahim Khaled:Khalid Abdallah:Abdullah
    Omar:Umar Karim:Kareem Jamal:Djamel,Gamal Tarek:Tariq,Tarik Hicham:Hisham Adel:Adil Bilal:Billal
    Yassine:Yasin,Yacine Fatima:Fatma,Fatimah Aïcha:Aisha,Ayesha Khadija:Khadidja,Khadijah Leïla:Layla,Leyla
    Meriem:Maryam,Mariam Maryam:Mariam,Meryem Zahra:Zohra Abdelkader:Abd-el-Kader,Abdulkadir Usman:Osman,Othman
    Sergei:Sergey,Serguei,Sergej Aleksandr:Alexander,Alexandre,Alexandr Aleksei:Alexey,Alexei,Alexej
    Dmitri:Dmitry,Dimitri,Dmitrij Andrei:Andrey,Andrej Nikolai:Nikolay,Nicolai Mikhail:Michail,Mihail
    Yuri:Yury,Iouri,Jurij Evgeny:Evgeniy,Yevgeny,Jewgeni Anatoly:Anatoli,Anatolij Vladimir:Wladimir,Volodymyr
    Viktor:Victor Maksim:Maxim Artyom:Artem Natalya:Natalia,Nataliya Tatyana:Tatiana,Tetiana Yulia:Julia,Iulia
    Ekaterina:Yekaterina,Katerina Elena:Yelena,Olena Aleksandra:Alexandra Oksana:Oxana Ksenia:Xenia
    Lyudmila:Ludmila,Liudmila Krzysztof:Christoph Mehmet:Mehmed Ahmet:Ahmed Hüseyin:Hussein,Huseyin
    Ivanov:Ivanoff,Iwanow Petrov:Petroff,Petrow Popov:Popoff,Popow Smirnov:Smirnow,Smirnoff
    Kuznetsov:Kuznetzov,Kusnezow Sokolov:Sokolow Volkov:Wolkow Fedorov:Fyodorov Zaytsev:Zaitsev,Saizew
    Shevchenko:Schewtschenko,Chevtchenko Tchaikovsky:Tschaikowski,Chaikovsky Hussain:Hussein,Husain
    Khan:Kahn Mahmoud:Mahmud,Mahmood Chaudhry:Choudhury,Chowdhury Saïdi:Saidi Cherif:Sharif Belhadj:Belhaj
    Yousef:Youssef,Yusuf Iqbal:Ikbal Rahman:Rehman Benali:Ben-Ali Kowalski:Kowalsky Idrissi:Idrisi"""
"""Name:other spellings, whatever the language it is written in now."""
