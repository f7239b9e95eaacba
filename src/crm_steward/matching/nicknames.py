"""First names and what their bearers are called: Bob is Robert, Véro is Véronique.

A nickname is evidence when two contacts are compared. It is never a correction: nobody is renamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from crm_steward.normalize import name_key

_FAMILIARS: Final = """
albert: al bert bertie
alejandro: ale jandro
alexander: alec alex lex sacha sander sandro sasha xander
alexandra: alex alexa sandra sandy
alexandre: alex alexis sacha
alfonso: alfon poncho
alfred: alf alfie fred
andreas: andi andy
andrew: andy drew
anne sophie: anneso anso anne_so
anthony: anton tony
antoine: toine tonio
antonio: tono toni antonito
barbara: babs barb bab
benedikt: bene
benjamin: ben benj benji benny
bernadette: bernie detty
bernard: bernie nanard
caroline: caro carrie lina
catherine: cat cath cathy kate katie kitty kathy
charles: charlie charly chuck chas
charlotte: charlie lotte lottie cha
christian: chris kris
christine: chris chrissy christie tina kiki
christoph: chris stoffel
christophe: chris tophe
christopher: chris kit topher
concepcion: concha conchita
daniel: dan danny dani
deborah: deb debbie debra
dolores: lola loli
dominique: dom domi
donald: don donnie donny
dorothy: dot dottie dolly
edward: ed eddie eddy ned ted teddy
eleanor: ellie nell nora lena
elizabeth: beth betty eliza elsie libby lisa liz lizzie liza betsy
elisabeth: babette elsa elise lisa lise sissi zabeth lili
emmanuel: manu mano
enrique: kike quique
felicity: fliss flick
ferdinand: ferdi nando
florence: flo flor
francisco: curro fran paco pancho paquito
francois: fanfan franz
frederic: fred fredo freddy
frederick: fred freddie freddy rick
friedrich: fritz fiete friedel
gabriel: gab gabe gabi gaby
gabrielle: gab gaby
genevieve: gen viviane ginou
gerald: gerry jerry
gerard: gege
giovanni: gianni vanni nino
giuseppe: beppe pino peppe
gregory: greg gregor
gregoire: greg
guadalupe: lupe lupita
guillaume: gui guigui guillem
hans peter: hp hansi hape
heinrich: heiner heinz hein
helmut: heli
henry: hal hank harry
ignacio: nacho
isabel: isa bel isabelita
isabella: bella isa izzy
isabelle: isa zaza belle
jacqueline: jackie jacquie line
jacques: jacky jacquot
jakob: jake jockel
james: jamie jim jimmy jimbo
jean baptiste: jb jib
jean claude: jc jeannot
jean francois: jf jeff
jean luc: jl jeanlu
jean marc: jm
jean marie: jm
jean michel: jm jeanmi
jean paul: jp
jean philippe: jp
jean pierre: jp jeanpi
jean yves: jy
jennifer: jen jenn jenny
jeremy: jem jerry
jessica: jess jessie
joachim: achim jochen
johann: hannes hans
johannes: hannes hans jo joni
john: jack johnny jon
jonathan: jon johnny nathan jonny
jose: pepe chepe
joseph: jo joe joey jos
josephine: jo josie fifi
joshua: josh
judith: judy jude
karl heinz: kalle kh karlo
katharina: kathi kati kaethe trina
katherine: kate kathy katie kat kit kitty
kenneth: ken kenny
laurence: lau laurie
lawrence: larry laurie lars
leonard: len lenny leo
leonhard: leo hardy
lorenzo: enzo renzo
louis: lou loulou louie
louise: lou loulou lulu
ludwig: lutz wiggerl
madeleine: mado madie
magdalena: lena leni magda
manuel: manolo manu manolito
margaret: maggie marge meg peggy greta madge margie rita
margarete: grete gretel greta
marguerite: margot maggy
maria dolores: lola mariloli
maria isabel: maribel
maria jose: marijose mariajo
maria luisa: marisa marilu
maria teresa: maite mayte
marie christine: maryse mc
marie claude: mc
matthew: mat matt matty
matthias: matze matz hias mattes
matthieu: matt mat
maximilian: max maxi
michael: mick mickey mike mikey michi micha
michel: mich michou
miguel: mike migue
montserrat: montse
nathalie: nath nat
nicholas: nick nicky nico
nicolas: nico niko colas
nikolaus: klaus niko
olivier: oli olive
oliver: ol olli ollie
pamela: pam
patricia: pat patsy patti patty tricia trish
patrick: pat paddy patric
penelope: penny
peter: pete
philip: phil pip
philippe: phil filou
pierre: pierrot
ramon: moncho
raymond: ray
rebecca: becca becky
ricardo: ricky rico richi
richard: dick rick ricky rich richie
robert: bob bobby rob robbie bert
roberto: beto berto tito
ronald: ron ronnie
rosario: charo
rudolf: rudi
samantha: sam sammy
samuel: sam sammy
sebastian: basti seb sebi wastl
sebastien: seb bastien
stephan: steph steff
stephane: steph stef
stephanie: steph steffi stef fanny
stephen: steve stevie
steven: steve stevie
sigrid: siggi
simon: sim
susan: sue susie suzie suzy
susanne: susi sanne sanna
suzanne: suze suzy suzon
terence: terry
theodore: ted teddy theo
theresa: terry tess resi tessa
therese: tete
thierry: titi
thomas: tom tommy thom
timothy: tim timmy
ulrich: uli ulli
ursula: uschi ulla ursel
valentin: val
valerie: val
veronica: ronnie vero nica
veronique: vero
victoria: vicky vic tori vicki
vincent: vince vinnie
virginie: ninie gini
walter: walt wally
wilhelm: willi willy helm
william: bill billy liam will willie willy
wolfgang: wolf wolfi
xavier: xav
alberto: berto
anastasia: ana nastia
andrea: andi andy
arnaud: nono nanou
asuncion: asun
bartholomew: bart
bruno: nono
cristina: cris tina
consuelo: chelo
daniela: dani
daniele: dany
david: dave davey
diego: dieguito
dimitri: dima mitia
eduardo: edu lalo
emilie: mimi
emily: em emmy millie
encarnacion: encarna
fernando: fer nando
federico: fede
francisca: paca paqui
georg: schorsch
gertrude: gertie trudy
gonzalo: gonza
guillermo: guille memo
hildegard: hilde
hubert: hub hubi
inmaculada: inma
isidro: sidro
jaime: jimmy
javier: javi
jesus: chus suso chuy
joaquin: quino ximo
jorg: jogi
josefa: pepa
juan carlos: juanca
juan jose: juanjo
juan manuel: juanma
julien: juju
konrad: conny
laura: lau
lucia: luci
luis: lucho
marcel: marco
maria del carmen: mamen maica
maria carmen: mamen maica
megan: meg
mercedes: merche meche
mohammed: momo moh
mohamed: momo moh
nathaniel: nat nate
pablo: pablito
pascal: pascou
pascale: pascalou
pilar: pili
purificacion: puri
rafael: rafa
reinhard: hardy reini
remedios: reme
reinhold: holdi
salvador: salva
santiago: santi yago
sergio: sergi
siegfried: sigi
stefan: steff
stefanie: steffi
theodor: theo
tobias: tobi
vicente: vicent chente
yolanda: yoli
yvonne: vonnie
"""


def _names_behind(text: str) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for line in text.strip().splitlines():
        name, _, familiars = line.partition(":")
        for familiar in familiars.split():
            key, behind = name_key(familiar.replace("_", " ")), name_key(name)
            if key and behind and key != behind:
                names.setdefault(key, []).append(behind)
    return {familiar: tuple(dict.fromkeys(found)) for familiar, found in sorted(names.items())}


NICKNAMES: Final = _names_behind(_FAMILIARS)
"""Nickname, as `name_key` gives it → the first names it may stand for: `alex` has two."""
