import type { Script } from './script.js'

/** What French colleagues say. No line names a time of day: the demo runs at any. */
export const FRENCH: Script = {
  company: [
    `a: Le café est prêt, au deuxième étage.
     b: Tu es formidable.
     a: C’est la machine. Moi, j’ai appuyé sur le bouton.
     c: Il reste du lait d’avoine ?
     a: Une demi-brique, et elle part vite.`,
    `a: Quelqu’un a vu les bonnes chaises ?
     b: Dans la petite salle. Elles se promènent.
     a: Toutes les six ?
     b: Sept. Elles se multiplient.`,
    `a: Mon train était à l’heure. J’ai une preuve.
     b: Une photo, sinon on ne te croit pas.
     a: Un retard qui n’existe pas se photographie mal.
     c: Encadre le billet.`,
    `a: Qui est au bureau demain ?
     b: Moi.
     c: Moi aussi, avec le nouvel écran du bureau d’angle.
     a: Alors j’apporte le câble qui ne va sur rien d’autre.`,
    `a: Les plantes du troisième ont soif.
     b: Je les ai arrosées lundi.
     a: Alors il y en a une qui boit pour deux.
     c: C’est la fougère. C’est toujours la fougère.`,
    `a: Quelqu’un a oublié un parapluie dans la petite salle.
     b: Noir, avec un manche en bois ?
     a: Celui-là même.
     b: Il est à moi depuis dix ans, et absent depuis neuf.`,
    `a: Il y a du gâteau près de l’imprimante.
     b: C’est l’anniversaire de qui ?
     a: De l’imprimante. Elle a cinq ans.
     c: Elle n’a jamais été aussi belle.
     b: Ni aussi mal imprimé.`,
    `a: Quiz jeudi : il nous manque deux personnes.
     b: J’en suis, s’il n’y a pas de sport.
     a: Il y a une manche de sport.
     b: Alors je compte les points.
     c: Je prends le sport, tu prends les capitales.`,
    `a: La fenêtre de l’escalier ferme mal, attention.
     b: Quelqu’un vient la réparer ?
     a: Le gardien est prévenu.
     c: J’y ai mis un mot. Et une chaise devant.`,
    `a: J’ai trouvé une écharpe bleue, elle est à l’accueil.
     b: C’est la mienne ! Où était-elle ?
     a: Au portemanteau, sous onze manteaux.
     b: Cela explique une semaine bien froide.`,
    `a: Qui vient marcher un peu ?
     b: Jusqu’où ?
     a: Jusqu’au pont, aller et retour.
     b: Donne-moi cinq minutes.
     c: Je vous rejoins au coin.`,
    `a: La conférence sur les cartes est en ligne.
     b: Celle avec le globe à l’envers ?
     a: Exactement.
     c: Je l’ai vue deux fois. Le passage sur les fleuves est superbe.`,
    `a: Quelqu’un a un chargeur pour un vieux téléphone ?
     b: Vieux comment ?
     a: À clapet.
     b: J’ai un tiroir pour cela. Passe me voir.`,
    `a: Je commande des autocollants. Des souhaits ?
     b: Les ronds, s’il te plaît.
     c: On peut ravoir le phare ?
     a: Va pour le phare, cinquante exemplaires.`,
    `a: Notre jeu d’échecs a perdu un fou.
     b: Prends la salière, comme d’habitude.
     a: La salière est déjà l’autre fou.
     c: Alors le poivre.`,
    `a: Des nouveaux arrivent lundi. Qui fait la visite ?
     b: Je fais le rez-de-chaussée.
     c: Et moi le toit. La vue y est meilleure.
     a: Alors je fais le café.`,
    `a: L’ascenseur remarche.
     b: Pour de vrai ?
     a: J’ai fait trois allers et retours.
     b: Pour vérifier ?
     a: Pour le plaisir.`,
    `a: Qui a fait la tarte au citron ? La recette, par pitié.
     b: Du citron, du sucre et de la patience.
     a: Je n’ai plus de patience.
     b: Alors plus de sucre.`,
    `a: La grande salle est libre mercredi ?
     b: À partir de quinze heures.
     a: Parfait, je la réserve pour le club de lecture.
     c: On lit quoi ?
     a: Ce que nous dirons tous avoir fini.`,
    `a: La pompe à vélo est revenue.
     b: Elle était où ?
     a: En voyage, à vélo.
     c: Elle l’a bien mérité.`,
    `a: On peut baisser le chauffage d’un degré ?
     b: Surtout pas, j’ai déjà un pull.
     a: Moi, je suis en T-shirt.
     c: Échangez vos bureaux. Affaire réglée.`,
    `a: Les photos de la fête d’été sont dans le dossier.
     b: Même celle du canoë ?
     a: Surtout celle du canoë.
     b: Je peux tout expliquer.
     c: Personne n’a encore rien demandé.`,
    `a: Un colis sans nom attend à l’accueil.
     b: Il fait quel bruit ?
     a: Un bruit de vis.
     b: C’est pour moi. Une étagère, avec un peu de chance.`,
    `a: Quelqu’un parle portugais ?
     b: Un peu. Pourquoi ?
     a: Une phrase dans une lettre.
     b: Envoie.
     a: C’est fait. Merci !`,
    `a: Le bac jaune est pour le papier, pas pour les sandwichs.
     b: Et le papier autour du sandwich ?
     a: Là, c’est une question de philosophie.`,
    `a: Je rentre de vacances. J’ai raté quoi ?
     b: Un nouveau logo, deux exercices d’évacuation et une très bonne soupe.
     a: Dans cet ordre ?
     c: La soupe en dernier, et en premier.`,
    `a: Le piano du hall est accordé.
     b: Tu vas donc jouer ?
     a: Cela veut dire que quelqu’un pourrait.
     c: Je connais un air. À deux doigts.
     a: C’est un de plus que moi.`,
    `a: Qui sait lire mon tableau ?
     b: Il est écrit « livrer le fromage ».
     a: Il est écrit « vider le cache ».
     c: Les deux sont de bons conseils.`,
    `a: Un chat est assis sur l’abri à vélos.
     b: Gris, avec des pattes blanches ?
     a: Oui, et il a l’air d’attendre une réunion.
     b: C’est elle qui la préside.`,
    `a: Nous avons quarante tasses et pas une cuillère.
     b: J’en ai vu du côté du design.
     c: On les photographie.
     a: Toutes ?
     c: C’est une série.`,
  ],
  team: [
    `a: C’est en ligne, regardez quand vous pouvez.
     b: J’y suis.
     b: Une question dans le deuxième fichier, sinon parfait.
     a: Bien vu, corrigé.`,
    `a: On peut décaler la revue d’une heure ?
     b: Cela me va.
     c: À moi aussi.
     a: C’est décalé. Merci.`,
    `a: Je prends le dernier ticket.
     b: Il est plus gros qu’il n’en a l’air.
     a: Comme tous.
     b: Appelle si tu veux un deuxième regard.`,
    `a: Le compte rendu est à l’endroit habituel.
     b: Tu as noté le passage sur les noms ?
     a: Mot pour mot.`,
    `a: Encore deux questions, et c’est fini.
     b: Lesquelles ?
     a: Comment cela s’appelle, et ce que cela fait.
     b: Presque fini, donc.`,
    `a: Tu as été rapide !
     b: C’était une ligne.
     a: Et deux jours pour la trouver.
     b: Chut.`,
    `a: Je me concentre deux heures.
     b: Tout est calme ici, on garde le téléphone.
     a: Merci.`,
    `a: On fait petit et on livre ?
     b: Oui. Le reste suivra.
     c: Je note ce qu’est le reste.
     a: Marché conclu.`,
    `a: Qui sait pourquoi ceci s’appelle « provisoire » ?
     b: C’était pour une semaine.
     a: Quand ?
     b: Il y a six ans.`,
    `a: Le brouillon est prêt à être démoli.
     b: Je n’ai arraché qu’un coin.
     a: La meilleure relecture de ma vie.`,
    `a: Chez moi, tout est rouge. Et chez toi ?
     b: Vert.
     a: Ah. J’avais un fichier non enregistré.
     b: Cela nous est arrivé à tous.`,
    `a: Bilan vendredi : un bon point et un mauvais chacun.
     b: Le même peut-il être les deux ?
     a: C’est souvent le cas.`,
    `a: J’ai rangé le tableau. De quarante cartes à douze.
     b: Où sont passées les autres ?
     a: C’étaient trois fois les mêmes.
     c: Je respire déjà mieux.`,
    `a: Quelqu’un pour travailler à deux sur le plus laid ?
     b: Dans dix minutes ?
     a: Parfait. Je le fais chauffer.`,
  ],
  project: [
    `a: Les premiers chiffres sont là, meilleurs que prévu.
     b: De combien ?
     a: D’un cinquième.
     b: J’y croirai le deuxième jour.`,
    `a: Il manque à la dernière étape une phrase qui dit pourquoi.
     b: « Pour que vos collègues vous trouvent. »
     a: C’est exactement cela. Merci.`,
    `a: J’ai mis le plan à jour.
     b: La date est toujours la date ?
     a: La date est toujours la date.
     b: Tu es sans doute la première personne à le dire.`,
    `a: Quelqu’un peut essayer sur un vieux téléphone ?
     b: Cinq ans, c’est assez vieux ?
     a: Parfait.
     b: Cela marche. Lentement, mais cela marche.
     a: Qu’est-ce qui est lent ?
     b: Mon téléphone.`,
    `a: Cela marche chez moi, maintenant.
     b: C’était quoi ?
     a: Une espace à la fin d’un nom.
     b: C’est toujours cela.`,
    `a: Qui prévient l’assistance du changement ?
     b: Moi, ils sont en face.
     a: Prends un gâteau.`,
    `a: Je laisserais cette partie de côté.
     b: Et on l’ajoute quand quelqu’un la demande ?
     a: Quand trois personnes la demandent.`,
    `a: Le client est content, et il a un souhait.
     b: Un petit ?
     a: Un bleu.
     c: Nous avons du bleu.`,
    `a: Lequel des deux brouillons montrons-nous ?
     b: Le plus simple.
     c: Le plus simple.
     a: Adopté, deux voix à zéro.`,
    `a: Nous en sommes à quatre-vingts pour cent.
     b: Du travail ou du temps ?
     a: Disons, de la liste.`,
    `a: Les données d’essai sont à jour.
     b: Avec les noms longs ?
     a: Le plus long a soixante lettres et deux traits d’union.
     b: Merveilleux, tout va casser.`,
  ],
  opener: [
    'Les chiffres que tu voulais sont dans le dossier.',
    'Rien d’urgent : j’ai laissé un commentaire sur ton brouillon.',
    'J’ai reposé le livre sur ton bureau. Il est superbe.',
    'Ton idée de la semaine dernière marche. J’ai essayé.',
    'La salle est réservée, tu n’as plus rien à faire.',
    'Je suis là si tu veux en parler.',
    'J’ai répondu au client, tu es en copie.',
    'Le lien de tout à l’heure est épinglé dans le salon de l’équipe.',
    'Je viens de voir ta modification. Très propre.',
    'J’ai déplacé notre point à jeudi, l’agenda est au courant.',
  ],
  answer: [
    'Merci, cela m’aide beaucoup.',
    'C’est bon à savoir. Je fais passer.',
    'C’est noté !',
    'Cela me paraît juste.',
    'Ah, j’allais écrire la même chose.',
    'Parfait, alors je continue avec le reste.',
    'Cela me plaît. Faisons comme cela.',
    'Compris. Je reviens vers toi quand c’est fait.',
    'D’accord, je m’en occupe.',
    'Bien. Un souci de moins.',
    'Merci de me l’avoir dit en premier.',
    'Je regarde et je t’écris.',
  ],
  answerToQuestion: [
    'Oui, je crois. Je vérifie et je reviens vers toi.',
    'Bonne question. Je dirais que oui.',
    'Pas encore, mais c’est le prochain sur ma liste.',
    'Je ne sais pas, mais je sais à qui demander.',
    'Bien sûr, vas-y.',
    'Cela me va.',
    'Donne-moi dix minutes et je te le confirme.',
    'Je crois que c’est dans le dossier partagé. Sinon, dis-le-moi.',
    'Autant que je sache, oui.',
    'Sans doute pas avant jeudi.',
    'Je peux t’appeler à ce sujet plus tard ?',
    'La moitié. L’autre moitié est une longue histoire.',
  ],
}
