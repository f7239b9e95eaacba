"""First names by origin, gender and cohort, the commonest first. Short on purpose: chance does the rest."""

from __future__ import annotations

from typing import Final

FIRST_NAMES: Final = {
    ("FR", "m"): (
        (
            "Jean Michel Pierre André Philippe Alain Bernard Jacques Daniel Claude Gérard Patrick "
            "Christian Robert René Roger Marcel Louis Henri Georges Guy Yves Serge Jean-Pierre "
            "Jean-Claude Jean-Paul Jean-Luc Raymond Gilbert Paul Roland Maurice Joël"
        ),
        (
            "Christophe Laurent Éric Stéphane Nicolas Frédéric Olivier David Pascal Thierry "
            "Sébastien Julien Jérôme Guillaume Vincent François Franck Bruno Emmanuel Cédric "
            "Fabrice Ludovic Jean-François Jean-Marc Didier Benoît Grégory Hervé Sylvain Xavier "
            "Gilles Arnaud Mickaël"
        ),
        (
            "Thomas Alexandre Kévin Maxime Antoine Lucas Hugo Clément Romain Mathieu Théo Valentin "
            "Quentin Florian Anthony Jérémy Alexis Adrien Benjamin Baptiste Simon Nathan Léo Jules "
            "Arthur Gabriel Raphaël Victor Corentin Dylan Bastien Damien Tristan Matthieu"
        ),
    ),
    ("FR", "f"): (
        (
            "Marie Monique Françoise Catherine Jacqueline Nicole Martine Christiane Jeanne Annie "
            "Michèle Danielle Colette Madeleine Suzanne Simone Denise Brigitte Marie-Claude "
            "Marie-Thérèse Chantal Josiane Bernadette Éliane Yvette Geneviève Odile Ginette"
        ),
        (
            "Nathalie Isabelle Sylvie Valérie Sandrine Véronique Stéphanie Céline Christine Corinne "
            "Florence Anne Sophie Virginie Karine Laurence Delphine Patricia Émilie Aurélie Agnès "
            "Caroline Hélène Marie-Christine Anne-Marie Anne-Sophie Cécile Claire Béatrice Magali"
        ),
        (
            "Julie Laura Léa Camille Manon Marine Pauline Sarah Mathilde Chloé Emma Lucie Charlotte "
            "Élodie Mélanie Anaïs Marion Justine Océane Morgane Alice Inès Louise Margaux Clara "
            "Audrey Amandine Noémie Juliette Romane Élise Zoé"
        ),
    ),
    ("DE", "m"): (
        (
            "Hans Peter Klaus Werner Günter Wolfgang Dieter Jürgen Helmut Manfred Horst Karl Heinz "
            "Gerhard Walter Rolf Bernd Rainer Karl-Heinz Hans-Jürgen Hans-Peter Siegfried Friedrich "
            "Herbert Heinrich Ernst Reinhard Uwe Otto Kurt Johannes"
        ),
        (
            "Thomas Michael Andreas Stefan Frank Christian Markus Martin Matthias Jörg Ralf Torsten "
            "Sven Dirk Oliver Jens Holger Björn Olaf Carsten Alexander Joachim Ulrich Volker Axel "
            "Heiko Karsten Guido Norbert Detlef Sebastian Marc"
        ),
        (
            "Daniel Jan Tobias Florian Dennis Philipp Lukas Tim Felix Maximilian Jonas Leon Julian "
            "Benjamin Patrick Marcel Kevin Niklas Fabian Simon David Paul Moritz Jannik Nico "
            "Johannes Christoph Finn Dominik Robin Marvin Till"
        ),
    ),
    ("DE", "f"): (
        (
            "Ursula Renate Helga Monika Karin Ingrid Brigitte Christa Gisela Elisabeth Erika Gerda "
            "Hannelore Christel Edith Maria Ilse Ruth Irmgard Waltraud Bärbel Margarete Rosemarie "
            "Anneliese Eva-Maria Barbara Heidi Jutta Marlies Hildegard"
        ),
        (
            "Sabine Susanne Petra Andrea Claudia Birgit Martina Heike Gabriele Angelika Anja Silke "
            "Kerstin Ute Katrin Nicole Tanja Stefanie Sandra Anke Bettina Cornelia Ulrike Simone "
            "Melanie Manuela Christine Annette Dagmar Doris Katharina"
        ),
        (
            "Julia Anna Lisa Sarah Laura Lena Lea Christina Jennifer Jessica Vanessa Franziska Jana "
            "Hannah Johanna Sophie Marie Nina Miriam Michelle Carolin Isabell Theresa Antonia "
            "Svenja Ann-Kathrin Anna-Lena Elena Pia Alina Luisa"
        ),
    ),
    ("ES", "m"): (
        (
            "José Antonio Manuel Francisco Juan Luis Jesús José-Luis José-María Miguel Ángel Pedro "
            "Rafael Fernando Vicente Ramón Joaquín Enrique Andrés Emilio Tomás Julián Salvador "
            "Felipe Eduardo Santiago Agustín Alfonso Ricardo Jaime"
        ),
        (
            "David Javier Carlos Daniel José Antonio Francisco-Javier Juan-Carlos Miguel-Ángel "
            "Jorge Alberto Óscar Raúl Sergio Rubén Fernando Roberto Víctor Juan-José José-Antonio "
            "Iván Diego Ignacio Gonzalo Marcos Jordi Gabriel Xavier Germán Alejandro"
        ),
        (
            "Pablo Adrián Álvaro Mario Hugo Iker Nicolás Samuel Marc Aitor Guillermo Héctor Ismael "
            "Cristian Rodrigo Lucas Mateo Martín Bruno Izan Eric Gerard Pol Borja Unai Joel Alex "
            "Saúl"
        ),
    ),
    ("ES", "f"): (
        (
            "María Carmen María-Carmen Josefa Isabel Dolores Pilar Francisca Antonia Teresa Rosario "
            "Mercedes Concepción Encarnación Ángeles Juana Manuela Luisa María-Pilar María-Teresa "
            "María-Dolores Rosa Ana Josefina Consuelo Asunción Montserrat Victoria"
        ),
        (
            "Ana-María Cristina Marta Laura Mónica Silvia Raquel Susana Sonia Beatriz Yolanda Nuria "
            "Eva Elena Patricia Rocío Inmaculada Esther Olga Sandra Gema Noelia Verónica María-José "
            "Ana-Belén Lourdes Belén Inés Margarita Begoña Amparo"
        ),
        (
            "Lucía Paula Andrea Sara Alba Irene Claudia Carla Julia Nerea Ainhoa Carlota Marina Noa "
            "Martina Sofía Valeria Daniela Aitana Celia Clara Lorena Miriam Tamara Leire Ane Laia "
            "Ona"
        ),
    ),
    ("GB", "m"): (
        (
            "John David Michael Peter Robert Alan Brian William James Kenneth Derek Roy Ronald "
            "George Anthony Raymond Keith Terence Dennis Malcolm Donald Geoffrey Barry Colin Trevor "
            "Graham Roger Eric Norman Leonard Thomas Edward"
        ),
        (
            "Paul Andrew Mark Stephen Ian Richard Christopher Simon Kevin Gary Steven Nicholas "
            "Philip Martin Neil Stuart Jonathan Jason Darren Nigel Adrian Craig Lee Timothy Wayne "
            "Gareth Duncan Matthew Russell Alistair Hugh"
        ),
        (
            "Daniel Thomas Jack Joshua James Ryan Luke Samuel Benjamin Adam Joseph Liam Callum "
            "Jordan Connor Alexander Harry Oliver Jake Lewis Nathan Charlie George Max Kieran Aaron "
            "Ross Scott Euan Rhys Toby Dominic"
        ),
    ),
    ("GB", "f"): (
        (
            "Margaret Patricia Christine Mary Jean Ann Susan Janet Maureen Barbara Valerie Carol "
            "Sandra Pauline Elizabeth Joan Pamela Jennifer Kathleen Sheila Marion Dorothy Brenda "
            "Shirley Sylvia Rosemary Eileen Joyce Audrey Judith Linda"
        ),
        (
            "Julie Karen Jacqueline Deborah Tracey Jane Helen Diane Sharon Angela Sarah Alison "
            "Caroline Amanda Sally Joanne Nicola Lisa Michelle Claire Samantha Wendy Dawn Beverley "
            "Louise Catherine Fiona Heather Tina Kerry Lorraine"
        ),
        (
            "Emma Laura Rebecca Gemma Rachel Charlotte Jessica Lauren Amy Hannah Sophie Chloe Emily "
            "Megan Bethany Katie Lucy Olivia Georgia Holly Eleanor Ellie Grace Alice Natalie "
            "Stephanie Victoria Danielle Abigail Molly Zoe Freya"
        ),
    ),
    ("US", "m"): (
        (
            "James Robert John William Richard David Charles Thomas Donald Ronald Gary Larry "
            "Kenneth Dennis Jerry George Edward Raymond Roger Joseph Douglas Walter Frank Harold "
            "Gerald Wayne Ralph Carl Arthur Lawrence Eugene Henry"
        ),
        (
            "Michael Mark Steven Jeffrey Timothy Kevin Brian Scott Christopher Eric Paul Gregory "
            "Daniel Anthony Stephen Todd Keith Craig Chad Jason Matthew Patrick Peter Andrew Edward "
            "Bradley Shawn Derek Randy Douglas Troy"
        ),
        (
            "Joshua Matthew Andrew Tyler Jacob Nicholas Ryan Brandon Justin Austin Zachary Kyle "
            "Ethan Benjamin Alexander Samuel Nathan Jonathan Dylan Logan Noah Mason Hunter Cody "
            "Jordan Caleb Connor Trevor Evan Garrett Gabriel Lucas"
        ),
    ),
    ("US", "f"): (
        (
            "Mary Linda Barbara Patricia Carol Sandra Nancy Sharon Judith Susan Betty Carolyn "
            "Margaret Shirley Judy Karen Donna Kathleen Joyce Dorothy Janet Diane Janice Joan "
            "Elizabeth Brenda Gloria Virginia Marilyn Martha Beverly Peggy"
        ),
        (
            "Lisa Kimberly Michelle Jennifer Angela Melissa Amy Tammy Laura Susan Julie Karen "
            "Stephanie Cynthia Christine Pamela Deborah Heather Tracy Rebecca Kelly Dawn Nicole "
            "Teresa Andrea Wendy Denise April Shannon Tina Stacy"
        ),
        (
            "Jessica Ashley Emily Sarah Samantha Amanda Brittany Elizabeth Taylor Megan Hannah "
            "Kayla Lauren Rachel Alexis Victoria Courtney Madison Emma Olivia Abigail Danielle "
            "Chelsea Morgan Alyssa Natalie Jasmine Haley Allison Kaitlyn Katherine Savannah"
        ),
    ),
    ("AR", "m"): (
        (
            "Mohamed Ahmed Ali Abdelkader Mustapha Omar Hassan Said Youssef Rachid Brahim Khaled "
            "Abdallah Larbi Tahar Moussa"
        ),
        (
            "Mohammed Karim Farid Kamel Nabil Samir Abdel Hakim Jamal Fouad Mourad Tarek Hicham "
            "Ahmed Mohamed-Ali Adel Nasser Redouane"
        ),
        (
            "Mohamed Mehdi Amine Yassine Bilal Ibrahim Ayoub Anis Sofiane Walid Younes Ilyes Adam "
            "Imran Hamza Zakaria Rayan Usman Zain"
        ),
    ),
    ("AR", "f"): (
        "Fatima Khadija Aïcha Zohra Fatma Malika Halima Yamina Djamila Rachida",
        "Nadia Samira Naïma Leïla Karima Latifa Hafida Souad Farida Saïda Amal Hanane",
        "Sarah Yasmine Amina Nour Meriem Imane Sofia Lina Zahra Ayesha Maryam Salma Kenza",
    ),
    ("SL", "m"): (
        "Vladimir Sergei Aleksandr Yuri Viktor Nikolai Anatoly Boris Ivan Jerzy Stanisław",
        "Andrei Dmitri Aleksei Oleg Igor Marek Piotr Tomasz Krzysztof Evgeny Pavel Mikhail",
        "Maksim Artyom Nikita Kirill Jakub Michał Mateusz Kamil Denis Danylo Roman Łukasz",
    ),
    ("SL", "f"): (
        "Galina Lyudmila Valentina Nina Tamara Halina Krystyna Svetlana Larisa",
        "Elena Irina Natalya Tatyana Olga Oksana Agnieszka Ewa Beata Joanna Marina",
        "Anastasia Yulia Ekaterina Daria Ksenia Katarzyna Magdalena Zuzanna Polina Aleksandra",
    ),
    ("TR", "m"): (
        "Mehmet Mustafa Ahmet Ali Hüseyin Hasan İbrahim İsmail Osman Süleyman",
        "Murat Hakan Erkan Serkan Mehmet Özcan Cengiz Levent Yusuf Orhan Bülent Tuncay",
        "Emre Can Burak Yusuf Emir Furkan Onur Deniz Kaan Ömer Cem Berkay",
    ),
    ("TR", "f"): (
        "Fatma Ayşe Emine Hatice Zeynep Havva Gülsüm Hanife",
        "Sevgi Hülya Gülay Nurten Aysel Özlem Sibel Songül Filiz Yasemin",
        "Elif Büşra Merve Esra Zeynep Selin Melisa Ceren Ebru Kübra Dilara",
    ),
}
"""(origin, gender) → born before 1965, before 1985, later."""

FIRST_PARTS: Final = {
    "FR": (
        "Ma Lou Ael Thi Gwen Yan Ela Na Mel Tao Noé Cyr Aude Lil Ty Éva Or Flo",
        "éa ine bault an a wen is elle ien ane ys éo aud ric oé",
    ),
    "DE": (
        "Jor Mar Lin Hen Tjar Fre Mai Leo Wil Ro Aria Enn Gis Ida Ker Lo Thea",
        "rik ke na ja mut bert linde a o vin hild ne drik le wig",
    ),
    "ES": (
        "Ad Az Fer Gra Ler Nor Xa Yer Om Ur Val Ari Bel Car Dam El",
        "iana ucena nán iela oy ma bier ay ar tzi erio adna inda men ián oísa",
    ),
    "GB": (
        "Al Bran Car El Fin Gar Har Is Jem Ken Lor Mar Row Tam Wil",
        "fie don ys lie lay ric ley la ima zie na low an sin der",
    ),
    "US": (
        "Ja Ka Shay Bray Ty La De Mc Aly Tre Bri Cay Dar Ja Mar Que",
        "den lee la ton son shawn kayla iah von elle anna lin rell ric nna",
    ),
    "AR": (
        "Ab Nou Fa Ha Ka Mou Ra Sa Ta You Za Yas",
        "rine hia rid mza ram nir chid ber rek nes ki mine",
    ),
    "SL": ("Bo Mi Rado Vla Yaro Sta Lyu Zla Dra Kaz", "slav mir dan goran na ta sha ko mila imir"),
    "TR": ("Ay Gül Tu Er Ber Se Öz Na Ce Il", "han can ba nur gün lin tay ay kan ten"),
}
"""Origin → beginnings and endings of which rare first names are made."""
