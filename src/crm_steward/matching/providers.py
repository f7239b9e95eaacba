"""Providers of private mailboxes: a domain of theirs says nothing about whom its users work for."""

from __future__ import annotations

from typing import Final

PRIVATE_PROVIDERS: Final = frozenset(
    "gmail.com googlemail.com yahoo.com yahoo.fr yahoo.de yahoo.es yahoo.it yahoo.co.uk ymail.com "
    "rocketmail.com outlook.com outlook.fr outlook.de outlook.es outlook.it hotmail.com hotmail.fr "
    "hotmail.de hotmail.es hotmail.it hotmail.co.uk live.com live.fr live.de live.nl live.co.uk "
    "msn.com icloud.com me.com mac.com aol.com aol.de proton.me protonmail.com pm.me mail.com "
    "zoho.com fastmail.com tutanota.com hey.com gmx.de gmx.net gmx.com gmx.at gmx.ch gmx.fr web.de "
    "t-online.de freenet.de mail.de posteo.de mailbox.org arcor.de vodafone.de online.de "
    "kabelmail.de orange.fr wanadoo.fr free.fr sfr.fr neuf.fr laposte.net bbox.fr numericable.fr "
    "club-internet.fr aliceadsl.fr cegetel.net voila.fr terra.es telefonica.net movistar.es ono.com "
    "orange.es jazztel.es btinternet.com btopenworld.com sky.com virginmedia.com ntlworld.com "
    "talktalk.net blueyonder.co.uk tiscali.co.uk comcast.net verizon.net att.net sbcglobal.net "
    "bellsouth.net cox.net charter.net earthlink.net optonline.net juno.com mail.ru yandex.ru "
    "yandex.com bk.ru list.ru ukr.net i.ua wp.pl o2.pl onet.pl interia.pl seznam.cz centrum.cz "
    "azet.sk freemail.hu libero.it virgilio.it tiscali.it alice.it tin.it fastwebnet.it bluewin.ch "
    "hispeed.ch sunrise.ch skynet.be telenet.be proximus.be voo.be ziggo.nl kpnmail.nl planet.nl "
    "home.nl xs4all.nl sapo.pt clix.pt iol.pt eircom.net telia.com online.no qq.com 163.com 126.com "
    "uol.com.br bol.com.br terra.com.br".split()
)
"""The large ones of Europe and the Americas; others are told by how many contacts they serve."""
