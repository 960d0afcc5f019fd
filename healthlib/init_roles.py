"""Which role a column plays in a table: the words for each role, and the best pairs of role and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .init_column import Column
from .init_words import match, plain
from .schema import FLAG, NUMBER, TABLES, WHEN

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "name": ("account name", "company name", "customer name", "name", "company", "firma", "firmenname", "kundenname", "raison sociale",
        "nom", "nom client", "nombre", "razon social", "school name", "organization name", "klantnaam", "bedrijfsnaam", "naam",
        "nome cliente", "ragione sociale", "nome", "nome da empresa", "razao social", "nazwa klienta", "nazwa firmy", "nazwa", "kundnamn",
        "foeretagsnamn", "namn"),
    "segment": ("segment", "customer segment", "size", "tier", "company size", "kundensegment", "groesse", "taille", "segmento", "tamano",
        "klantsegment", "grootte", "segmento cliente", "dimensione", "porte", "wielkosc", "storlek"),
    "industry": ("industry", "vertical", "sector", "branche", "secteur", "sector industrial", "industria", "bedrijfstak", "settore",
        "setor", "branza", "bransch"),
    "region": ("region", "country", "billing country", "territory", "geo", "land", "pays", "pais", "zona", "regio", "regione", "paese",
        "regiao", "kraj", "wojewodztwo", "omraade", "omrade"),
    "plan": ("plan", "plan tier", "plan type", "product plan", "edition", "tarif", "paket", "formule", "offre", "tarifa",
        "abonnementsvorm", "pakket", "piano", "plano", "pakiet"),
    "csm": ("csm", "customer success manager", "account owner", "owner", "owner name", "csm name", "betreuer", "kundenbetreuer",
        "charge de compte", "responsable", "gestor", "owner id", "accountmanager", "klantmanager", "referente", "gestor de conta",
        "opiekun", "kundansvarig"),
}  # fmt: skip


CONTRACTS: dict[str, tuple[str, ...]] = {
    "start_date": ("start date", "contract start date", "subscription start", "start", "begin date", "begin", "effective date",
        "valid from", "starts on", "service start", "vertragsbeginn", "beginn", "startdatum", "laufzeitbeginn", "gueltig ab", "debut",
        "date debut", "date de debut", "inicio", "fecha inicio", "fecha de inicio", "date registration", "registration date", "start utc",
        "created utc", "closed won date", "close date", "signup date", "customer since", "kunde seit", "begindatum", "ingangsdatum",
        "data inizio", "data di inizio", "inizio", "decorrenza", "data de inicio", "data inicio",
        "data rozpoczecia", "data poczatku", "poczatek", "startdatum avtal", "avtalsstart", "boerjar"),
    "end_date": ("end date", "contract end date", "subscription end", "end", "renewal date", "expiration date", "expiry date",
        "expires on", "term end", "valid to", "valid until", "ends on", "ended at", "ended at utc", "service end", "due date",
        "vertragsende", "ende", "enddatum", "laufzeitende", "gueltig bis", "fin", "date fin", "date de fin", "echeance", "fecha fin",
        "fecha de fin", "vencimiento", "date unregistration", "unregistration date", "cancellation date", "canceled at",
        "canceled at utc", "einddatum", "contracteinde", "data fine", "data di fine", "fine", "scadenza",
        "data fim", "data de fim", "data de termino", "data zakonczenia", "data konca", "koniec", "slutdatum", "avtalsslut", "slutar"),
    "contract_id": ("contract id", "subscription id", "sub id", "opportunity id", "opp id", "deal id", "record id", "renewal id",
        "contract number", "vertragsnummer", "vertrag nr", "vertrags id", "abo id", "numero contrat", "id contrat", "id contrato",
        "numero contrato", "id", "contractnummer", "contract nr", "abonnementsnummer", "numero contratto", "id contratto",
        "codice contratto", "numero do contrato", "numer umowy", "id umowy", "avtalsnummer", "avtals id", "kontraktsnummer"),
    "arr": ("arr", "arr amount", "annual recurring revenue", "acv", "annual contract value", "annual amount", "annual value",
        "yearly amount", "annual price", "jahreswert", "jahresbetrag", "jahresumsatz", "jahrespreis", "montant annuel", "prix annuel",
        "importe anual", "valor anual", "jaarbedrag", "jaarwaarde", "importo annuale", "importo annuo", "canone annuo", "valore annuo",
        "montante anual", "kwota roczna", "wartosc roczna", "aarsbelopp", "arsbelopp", "arsvarde", "arsvaerde"),
    "mrr": ("mrr", "mrr amount", "monthly recurring revenue", "monthly amount", "monthly price", "monthly charges", "monthly fee",
        "monatsbetrag", "monatspreis", "monatlich", "montant mensuel", "prix mensuel", "mensualite", "importe mensual", "cuota mensual",
        "maandbedrag", "importo mensile", "canone mensile", "mensalidade", "valor mensal", "kwota miesieczna", "manadsbelopp",
        "manadsavgift"),
    "amount": ("amount", "contract value", "total contract value", "tcv", "deal value", "value", "price", "plan amount", "unit amount",
        "betrag", "vertragswert", "wert", "preis", "montant", "prix", "importe", "valor", "precio", "bedrag", "contractwaarde", "prijs",
        "importo", "prezzo", "valore", "preco", "montante", "kwota", "wartosc", "cena", "belopp", "pris", "avtalsvaerde"),
    "seats": ("seats", "seat count", "licenses", "licences", "license count", "number of users", "users", "quantity", "lizenzen",
        "anzahl lizenzen", "plaetze", "anzahl nutzer", "licences utilisateurs", "nombre licences", "licencias", "puestos", "menge",
        "aantal licenties", "licenties", "aantal gebruikers", "licenze", "numero licenze", "postazioni", "numero de licencas", "licencas",
        "liczba licencji", "licencje", "antal licenser", "licenser", "antal anvaendare"),
    "units": ("units", "unit", "unit of measure", "einheit", "unite", "unidad", "eenheid", "unita", "unidade", "jednostka", "enhet"),
    "discount": ("discount", "discount percent", "rabatt", "remise", "descuento", "korting", "sconto", "desconto", "rabat"),
    "auto_renew": ("auto renew", "auto renew flag", "auto renewal", "autorenew", "automatic renewal", "automatische verlaengerung",
        "renouvellement automatique", "tacite reconduction", "renovacion automatica", "automatische verlenging",
        "stilzwijgende verlenging", "rinnovo automatico", "renovacao automatica", "automatyczne odnowienie", "automatisk foernyelse",
        "automatisk foerlaengning"),
    "billing_period": ("billing frequency", "billing period", "bill period months", "billing cycle", "billing interval", "interval",
        "plan interval", "zahlungsweise", "abrechnung", "periodicite", "facturation", "facturacion", "periodicidad", "facturatieperiode",
        "betaalperiode", "fatturazione", "periodicita", "faturacao", "faturamento", "okres rozliczeniowy", "faktureringsperiod"),
    "term_months": ("term months", "contract term", "term in months", "term", "laufzeit monate", "laufzeit", "duree mois", "duree",
        "duracion meses", "duracion", "looptijd maanden", "looptijd", "durata mesi", "durata", "duracao meses", "duracao",
        "okres miesiecy", "okres umowy", "loeptid maanader", "loeptid manader", "loeptid", "avtalstid"),
    "outcome": ("outcome", "renewal outcome", "renewal result", "renewal status", "ergebnis", "resultat", "resultado", "uitkomst",
        "esito", "desfecho", "wynik", "utfall"),
    "decided_on": ("decided on", "decision date", "entscheidung am", "date decision", "fecha decision", "beslisdatum", "data decisione",
        "data da decisao", "data decyzji", "beslutsdatum"),
    "renewed_arr": ("renewed arr", "renewal arr", "new arr"),
    "churn_reason": ("churn reason", "loss reason", "lost reason", "closed lost reason", "cancellation reason", "kuendigungsgrund",
        "motif de resiliation", "motivo de baja", "opzegreden", "reden opzegging", "motivo disdetta", "motivo do cancelamento",
        "powod rezygnacji", "powod wypowiedzenia", "uppsaegningsorsak"),
    "stage": ("stage", "stage name", "deal stage", "opportunity stage", "phase", "etape", "etapa", "fase", "fase trattativa",
        "etapa do negocio", "etap", "saeljsteg"),
    "plan": ("product", "plan", "plan tier", "plan name", "product name", "original plan", "produkt", "produit", "producto", "tarif",
        "prodotto", "produto", "pakket"),
}  # fmt: skip
"""Roles of a contract's columns; some (mrr, amount, units, term_months, stage) only help to work out another."""


EVENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "usage": {
        "occurred_at": ("occurred at", "timestamp", "event time", "event date", "usage date", "activity date", "sent at", "received at",
            "created at", "date", "day", "time", "month", "week start", "date submitted", "login date", "datum", "zeitpunkt", "monat",
            "tag", "jour", "mois", "fecha", "mes", "tijdstip", "maand", "dag", "data evento", "data", "mese", "giorno",
            "data do evento", "miesiac", "dzien", "manad", "tidpunkt"),
        "user_id": ("user id", "userid", "user", "actor id", "visitor id", "person id", "distinct id", "nutzer id", "nutzer", "benutzer",
            "utilisateur", "id utilisateur", "usuario", "id usuario", "email", "gebruiker", "gebruikers id", "id gebruiker", "utente",
            "id utente", "utilizador", "id do usuario", "uzytkownik", "id uzytkownika", "anvaendare", "anvaendar id"),
        "feature": ("feature", "feature name", "event", "event name", "event type", "event action", "module", "activity type", "action",
            "funktion", "ereignis", "modul", "fonctionnalite", "evenement", "funcion", "evento", "accion", "functie", "gebeurtenis",
            "funzione", "funzionalita", "funcionalidade", "funkcja", "zdarzenie", "haendelse"),
        "quantity": ("quantity", "count", "usage count", "event count", "n events", "events", "number of events", "total events",
            "clicks", "anzahl", "menge", "nombre", "quantite", "cantidad", "numero", "aantal", "hoeveelheid", "quantita", "quantidade",
            "liczba", "ilosc", "antal"),
        "active_users": ("n users", "active users", "users", "user count", "distinct users", "aktive nutzer", "utilisateurs actifs",
            "usuarios activos", "actieve gebruikers", "utenti attivi", "usuarios ativos", "utilizadores ativos", "aktywni uzytkownicy",
            "aktiva anvaendare"),
    },
    "tickets": {
        "opened_at": ("opened at", "opened", "created at", "created date", "created", "submitted at", "date opened", "open date",
            "date time opened", "requested at", "erstellt am", "erstellt", "eroeffnet am", "eroeffnet", "cree le", "date creation",
            "ouvert le", "fecha creacion", "creado", "abierto", "date", "geopend op", "geopend", "aangemaakt op", "data apertura",
            "aperto il", "data de abertura", "aberto em", "data otwarcia", "data zgloszenia", "otwarto", "oeppnad", "oeppnat", "skapad"),
        "closed_at": ("closed at", "closed", "closed date", "solved at", "solved", "resolved at", "resolution date", "resolved",
            "date time closed", "geschlossen am", "geschlossen", "geloest am", "ferme le", "date fermeture", "resolu le", "date cloture",
            "fecha cierre", "cerrado", "resuelto", "gesloten op", "gesloten", "opgelost op", "data chiusura", "chiuso il",
            "data de encerramento", "data de fechamento", "fechado em", "data zamkniecia", "zamknieto", "staengd", "staengt", "loest"),
        "ticket_id": ("ticket id", "case number", "case id", "ticket number", "issue id", "ticket", "ticketnummer", "ticket nr",
            "numero ticket", "id ticket", "numero de ticket", "id", "meldingsnummer", "numero del ticket", "numero richiesta",
            "numero do chamado", "numer zgloszenia", "id zgloszenia", "aerendenummer", "arendenummer"),
        "severity": ("severity", "priority", "urgency", "prioritaet", "dringlichkeit", "priorite", "urgence", "gravite", "prioridad",
            "urgencia", "gravedad", "prioriteit", "urgentie", "priorita", "urgenza", "gravita", "prioridade", "priorytet", "prioritet",
            "allvarlighetsgrad"),
        "category": ("category", "type", "topic", "reason", "kategorie", "thema", "categorie", "sujet", "categoria", "tema",
            "ticket type", "onderwerp", "oggetto", "assunto", "kategoria", "temat", "aemne"),
        "satisfaction": ("satisfaction", "satisfaction score", "satisfaction rating", "csat", "csat score", "zufriedenheit", "note",
            "satisfaccion", "valoracion", "tevredenheid", "soddisfazione", "satisfacao", "zadowolenie", "satysfakcja", "noejdhet"),
    },
    "surveys": {
        "responded_at": ("responded at", "response date", "survey date", "submitted at", "answered at", "created at", "date", "timestamp",
            "datum", "antwortdatum", "date reponse", "fecha", "fecha respuesta", "antwoorddatum", "data risposta", "data da resposta",
            "data odpowiedzi", "svarsdatum", "data"),
        "score": ("score", "nps score", "nps", "csat", "csat score", "rating", "answer", "value", "punkte", "bewertung", "antwort",
            "note", "puntuacion", "respuesta", "cijfer", "punteggio", "voto", "nota", "pontuacao", "ocena", "wynik ankiety", "betyg",
            "poaeng", "poeng"),
        "kind": ("kind", "survey type", "survey", "type", "umfrage", "art", "enquete", "tipo", "encuesta", "soort",
            "sondaggio", "pesquisa", "ankieta", "rodzaj", "enkaet"),
        "respondent_id": ("respondent id", "respondent", "contact id", "user id", "email", "kontakt", "contact", "contacto",
            "contactpersoon", "contatto", "contato", "kontakt id", "kontaktperson"),
    },
    "touchpoints": {
        "occurred_at": ("occurred at", "activity date", "meeting date", "due date only", "timestamp", "date", "created at", "start time",
            "datum", "termin", "fecha", "day", "afspraakdatum", "data incontro", "data da reuniao", "data spotkania", "moetesdatum",
            "data", "dag"),
        "kind": ("kind", "activity type", "type", "task subtype", "channel", "art", "typ", "tipo", "kanal", "canal", "soort", "kanaal",
            "tipologia", "canale", "rodzaj", "slag"),
        "persona": ("persona", "role", "contact role", "participant role", "rolle", "ansprechpartner", "fonction", "rol", "cargo",
            "functie", "ruolo", "funcao", "papel", "stanowisko", "roll", "befattning"),
        "direction": ("direction", "inbound outbound", "richtung", "sens", "direccion", "direzione", "direcao", "kierunek", "riktning"),
    },
    "ratings": {
        "rated_at": ("rated at", "rating date", "updated at", "date", "datum", "fecha", "beoordeeld op", "data valutazione",
            "data da avaliacao", "data oceny", "bedoemd", "data"),
        "rating": ("rating", "csm rating", "sentiment", "csm sentiment", "pulse", "score", "bewertung", "note", "valoracion",
            "beoordeling", "valutazione", "avaliacao", "ocena", "bedoemning", "betyg"),
        "rated_by": ("rated by", "csm", "author", "owner", "betreuer", "auteur", "autor", "beoordelaar", "autore",
            "oceniajacy", "bedoemare"),
        "kind": ("kind", "type", "art", "tipo", "soort", "rodzaj"),
    },
    "milestones": {
        "milestone": ("milestone", "milestone name", "step", "step name", "task", "task name", "meilenstein", "schritt", "jalon", "etape",
            "hito", "paso", "mijlpaal", "stap", "traguardo", "passaggio", "marco", "passo", "kamien milowy", "krok", "etap", "milstolpe",
            "steg"),
        "due_at": ("due at", "due date", "due", "target date", "planned date", "faellig am", "faellig", "echeance", "vencimiento",
            "gepland op", "vervaldatum", "scadenza", "prazo", "termin", "foerfallodatum"),
        "completed_at": ("completed at", "completed date", "completion date", "completed", "done at", "finished at", "erledigt am",
            "abgeschlossen am", "termine le", "acheve le", "completado", "fecha completado", "afgerond op", "voltooid op",
            "completato il", "concluido em", "data de conclusao", "zakonczono", "ukonczono", "slutfoerd", "avslutad"),
    },
    "goals": {
        "goal": ("goal", "goal name", "objective", "name", "ziel", "objectif", "objetivo", "meta", "doel", "doelstelling", "obiettivo",
            "cel", "maal"),
        "set_at": ("set at", "created at", "agreed on", "start date", "gesetzt am", "vereinbart am", "defini le", "fecha inicio",
            "vastgesteld op", "definito il", "definido em", "ustalono", "satt"),
        "achieved_at": ("achieved at", "achieved", "completed at", "reached at", "erreicht am", "atteint le", "logrado", "alcanzado",
            "bereikt op", "behaald op", "raggiunto il", "alcancado em", "osiagnieto", "uppnadd"),
    },
    "invoices": {
        "issued_at": ("issued at", "invoice date", "issue date", "created", "created utc", "date", "rechnungsdatum", "datum",
            "date facture", "date emission", "fecha factura", "fecha emision", "fecha", "factuurdatum", "data fattura", "data da fatura",
            "data wystawienia", "data faktury", "fakturadatum"),
        "amount": ("amount", "total", "amount due", "invoice amount", "total amount", "betrag", "rechnungsbetrag", "summe", "montant",
            "total ttc", "importe", "factuurbedrag", "bedrag", "totaal", "importo fattura", "importo", "totale", "valor da fatura",
            "kwota faktury", "kwota", "fakturabelopp", "belopp"),
        "due_at": ("due at", "due date", "due date utc", "due", "faellig am", "faelligkeit", "zahlungsziel", "echeance", "date echeance",
            "vencimiento", "fecha vencimiento", "vervaldatum", "data scadenza", "scadenza", "data de vencimento", "termin platnosci",
            "foerfallodatum"),
        "paid_at": ("paid at", "paid date", "payment date", "paid", "paid on", "bezahlt am", "zahlungseingang", "paye le",
            "date paiement", "pagado", "fecha pago", "betaald op", "betaaldatum", "pagato il", "data pagamento", "pago em",
            "data de pagamento", "zaplacono", "data zaplaty", "betald", "betaldatum"),
        "recurring": ("recurring", "is recurring", "wiederkehrend", "recurrent", "recurrente", "terugkerend", "ricorrente", "recorrente",
            "cykliczna", "aterkommande"),
    },
    "advocacy": {
        "occurred_at": ("occurred at", "date", "created at", "datum", "fecha", "data"),
        "kind": ("kind", "type", "activity", "art", "tipo", "soort", "rodzaj"),
    },
    "interventions": {
        "started_at": ("started at", "start date", "assigned date", "assigned at", "created at", "created date", "date", "gestartet am",
            "debut", "inicio", "datum", "gestart op", "avviato il", "iniciado em", "rozpoczeto", "startad"),
        "playbook": ("playbook", "treatment type", "playbook name", "cta type", "campaign", "intervention", "action", "massnahme",
            "campagne", "campana", "type", "maatregel", "actie", "azione", "misura", "acao", "dzialanie", "aatgaerd", "atgaerd"),
        "ended_at": ("ended at", "end date", "closed at", "completed at", "beendet am", "fin", "beeindigd op", "concluso il",
            "encerrado em", "zakonczono", "avslutad"),
        "trigger": ("trigger", "ausloeser", "declencheur", "aanleiding", "motivo", "gatilho", "powod", "utloesare"),
    },
    "score_history": {
        "scored_on": ("scored on", "score date", "snapshot date", "scored at", "measured on", "as of", "date", "month", "datum", "fecha",
            "gemeten op", "data punteggio", "data da pontuacao", "data pomiaru", "maetdatum", "data", "maand", "mese", "mes", "miesiac",
            "manad"),
        "score": ("health score", "overall score", "score", "csm health score", "gesundheitswert", "score de sante", "puntuacion",
            "gezondheidsscore", "punteggio di salute", "pontuacao de saude", "wskaznik zdrowia", "haelsopoaeng", "haelsovaerde"),
        "scorecard": ("scorecard", "scorecard name", "score name"),
    },
}  # fmt: skip
"""Roles of each event table's columns, the surest words first."""

LEAST = 0.4
"""The weakest name that counts."""


HELPERS = {"mrr": NUMBER, "amount": NUMBER, "term_months": NUMBER, "active_users": NUMBER, "churn_reason": "text", "stage": "text"}
"""Kinds of roles that are no canonical column but help to work one out."""


def fits(column: Column, kind: str) -> bool:
    """Whether a column's content allows the kind that a role needs."""
    if kind == WHEN:
        return column.kind == "when" or column.relative
    if kind == NUMBER:
        return column.kind == "number" and not column.relative
    if kind == FLAG:
        return column.kind == "flag"
    return column.kind in ("text", "number", "flag") and not column.relative


def assign(columns: Mapping[str, Column], words: Mapping[str, tuple[str, ...]], table: str, taken: Sequence[str] = ()) -> dict[str, str]:
    """role -> header: the best pairs of name and role first, each column and role once, content allowing."""
    kinds = {**TABLES[table].columns, **HELPERS} if table in TABLES else HELPERS
    pairs = []
    for place, (role, phrases) in enumerate(words.items()):
        for column in columns.values():
            strength = match(column.name, phrases)
            if strength >= LEAST and column.name not in taken and fits(column, kinds.get(role, "text")):
                bare = role.endswith("_id") and plain(column.name) == "id" and not column.unique
                pairs += [] if bare else [(-strength, place, -column.filled, role, column.name)]
    roles: dict[str, str] = {}
    for *_, role, name in sorted(pairs):
        if role not in roles and name not in roles.values():
            roles[role] = name
    return roles
