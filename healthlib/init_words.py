"""The words by which exports name their tables and columns: nine European languages, English to Swedish, and the usual systems' own."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

TABLE_WORDS: dict[str, tuple[str, ...]] = {
    "accounts": ("accounts", "customers", "companies", "clients", "organizations", "organisations", "tenants", "kunden", "kundenliste",
        "kundenstamm", "firmen", "mandanten", "societes", "entreprises", "clientes", "empresas", "cuentas", "schools", "klanten",
        "klantenlijst", "bedrijven", "clienti", "aziende", "anagrafica clienti", "contas", "klienci", "firmy", "kunder", "kundlista",
        "foeretag"),
    "contracts": ("contracts", "subscriptions", "renewals", "opportunities", "deals", "licenses", "licences", "registrations",
        "vertraege", "vertrag", "vertragsliste", "abonnements", "abos", "contrats", "contratos", "suscripciones", "contracten",
        "abonnementen", "contratti", "abbonamenti", "assinaturas", "umowy", "subskrypcje", "avtal", "kontrakt", "prenumerationer"),
    "usage": ("usage", "events", "logins", "sessions", "tracks", "page views", "feature usage", "product usage", "engagement", "nutzung",
        "ereignisse", "utilisation", "uso", "eventos", "submissions", "gebruik", "gebeurtenissen", "utilizzo", "eventi", "utilizacao",
        "uzycie", "zdarzenia", "anvaendning", "haendelser"),
    "tickets": ("tickets", "support tickets", "cases", "support", "issues", "incidents", "helpdesk", "zendesk", "anfragen",
        "reklamationen", "demandes", "reclamations", "incidencias", "soporte", "meldingen", "klachten", "assistenza", "richieste",
        "reclami", "chamados", "suporte", "zgloszenia", "reklamacje", "aerenden", "arenden"),
    "surveys": ("nps", "csat", "ces", "surveys", "survey responses", "feedback", "umfragen", "umfrage", "enquetes", "encuestas",
        "satisfaction", "tevredenheid", "sondaggi", "sondaggio", "pesquisas", "inqueritos", "ankiety", "ankieta",
        "enkaeter", "enkaet"),
    "touchpoints": ("touchpoints", "meetings", "calls", "activities", "tasks", "interactions", "timeline", "emails", "termine", "besuche",
        "gespraeche", "aktivitaeten", "reunions", "rendez vous", "reuniones", "visitas", "actividades", "afspraken", "bezoeken",
        "gesprekken", "contactmomenten", "incontri", "riunioni", "attivita", "reunioes", "atividades", "spotkania", "rozmowy", "moeten",
        "aktiviteter"),
    "ratings": ("ratings", "csm sentiment", "csm ratings", "csm pulse", "sentiment", "bewertungen", "einschaetzungen", "evaluations",
        "beoordelingen", "valutazioni", "avaliacoes", "oceny", "bedoemningar"),
    "milestones": ("milestones", "onboarding", "implementation", "implementation steps", "meilensteine", "einfuehrung", "jalons", "hitos",
        "mijlpalen", "traguardi", "marcos", "kamienie milowe", "wdrozenie", "milstolpar"),
    "goals": ("goals", "objectives", "success plans", "outcomes plan", "ziele", "objectifs", "objetivos", "doelen", "doelstellingen",
        "obiettivi", "cele", "maal"),
    "invoices": ("invoices", "billing", "payments", "charges", "rechnungen", "factures", "facturas", "facturen", "fatture", "faturas",
        "faktury", "fakturor"),
    "advocacy": ("advocacy", "references", "referrals", "case studies", "referenzen", "referencias", "referenties", "referenze",
        "indicacoes", "referencje", "referenser"),
    "interventions": ("interventions", "playbooks", "ctas", "campaigns", "experiments", "massnahmen", "kampagnen", "campagnes",
        "campanas", "maatregelen", "azioni", "campanhas", "dzialania", "kampanie", "aatgaerder", "atgaerder",
        "kampanjer"),
    "score_history": ("health scores", "health score", "score history", "scorecards", "health", "gesundheit", "sante", "salud",
        "gezondheid", "salute", "saude", "haelsa"),
    "people": ("users", "contacts", "people", "nutzer", "benutzer", "kontakte", "ansprechpartner", "utilisateurs", "usuarios",
        "contactos", "gebruikers", "contactpersonen", "utenti", "contatti", "contatos", "uzytkownicy", "kontakty",
        "anvaendare", "kontaktpersoner"),
    "departures": ("churn", "churn events", "cancellations", "kuendigungen", "resiliations", "bajas", "cancelaciones", "opzeggingen",
        "disdette", "cessazioni", "cancelamentos", "rezygnacje", "wypowiedzenia", "uppsaegningar"),
}  # fmt: skip
"""What a file's name says it holds. `people` are the customers' own users; `departures` tell the outcome itself and are never measured."""

ACCOUNT_ID = (
    "account id", "customer id", "client id", "company id", "organization id", "organisation id", "org id", "tenant id", "account",
    "account number", "customer number", "customer", "client", "company", "kundennummer", "kunden nr", "kundennr", "kunden id", "kunde",
    "firma id", "mandant", "id client", "numero client", "code client", "id cliente", "codigo cliente", "numero cliente", "cliente",
    "cuenta", "associated company id", "group id", "workspace id", "school id", "id student", "user id", "requester organization id",
    "organization", "company name", "account name", "customer name", "klantnummer", "klant nr", "klant id", "klant", "bedrijf id",
    "codice cliente", "id azienda", "numero de cliente", "id do cliente", "numer klienta", "id klienta", "klient", "kundnummer",
    "kund nr", "kund id", "kund",
)  # fmt: skip


LEAKS = (
    "churn", "churned", "churn flag", "churn date", "churn reason", "cancel", "canceled", "cancelled", "cancellation", "status",
    "is active", "active", "inactive", "lost", "terminated", "termination", "outcome", "final result", "result", "reason code",
    "lifecycle stage", "renewed", "renewal mrr", "renewal arr", "risk tier", "risk", "attrition", "left", "kuendigung", "gekuendigt",
    "kuendigungsdatum", "storniert", "abgewandert", "abwanderung", "resiliation", "resilie", "statut", "baja", "estado", "cancelado",
    "exited", "closed won", "opzegging", "opgezegd", "opzegdatum", "disdetta", "disdettato", "stato", "cessato", "cancelamento",
    "situacao", "ativo", "rezygnacja", "wypowiedzenie", "stan", "uppsagd", "uppsaegning",
)  # fmt: skip
"""Words of columns that are often written, or overwritten, once a customer has left."""

FLAT_OUTCOME = (
    "churn", "churned", "churn flag", "is churned", "attrition", "exited", "left", "cancelled", "canceled", "outcome", "gekuendigt",
    "abgewandert", "kuendigung", "resilie", "resiliation", "baja", "abandono", "churn value", "churn label", "lost", "renewed",
    "retained", "opgezegd", "opzegging", "vertrokken", "disdetta", "abbandono", "cancelamento", "cancelou", "rezygnacja", "odszedl",
    "uppsagd", "laemnat",
)  # fmt: skip

LOWER_IS_BETTER = (
    "ticket", "tickets", "complaint", "complains", "complaints", "failure", "failures", "error", "errors", "bug", "bugs", "days since",
    "overdue", "late", "escalation", "escalations", "latency", "downtime", "refund", "refunds", "delay", "incident", "incidents",
    "beschwerden", "fehler", "plaintes", "erreurs", "quejas", "errores", "price", "charge", "charges", "klachten", "fouten", "reclami",
    "errori", "guasti", "reclamacoes", "erros", "reklamacje", "bledy", "klagomaal", "klagomal", "fel",
)  # fmt: skip

LOST_VALUES = frozenset([
     "churned", "churn", "lost", "cancelled", "canceled", "closed-lost", "yes", "true", "1", "y", "left", "withdrawn", "terminated",
     "gekuendigt", "verloren", "ja", "resilie", "perdu", "oui", "baja", "perdido", "si", "not-renewed", "exited", "expired",
     "opgezegd", "vertrokken", "verlopen", "disdetto", "disdettato", "cessato", "abbandonato", "cancelado", "perdida", "sim",
     "rezygnacja", "utracony", "wypowiedziany", "tak", "uppsagd", "foerlorad",
])  # fmt: skip
"""Plain spellings of an outcome that say the customer left, in a column whose name is about leaving or about the outcome."""
KEPT_VALUES = frozenset([
     "renewed", "retained", "won", "closed-won", "kept", "active", "verlaengert", "aktiv", "renouvele", "actif", "renovado", "activo",
     "stayed", "verlengd", "actief", "rinnovato", "attivo", "renovada", "ativo", "odnowiony", "aktywny", "foernyad", "aktiva",
])  # fmt: skip

SMALL = {"ß": "ss", "ä": "ae", "ö": "oe", "ü": "ue", "æ": "ae", "ø": "o", "œ": "oe", "ł": "l"}


@lru_cache(maxsize=4096)
def plain(name: str) -> str:
    """A header or file name as small words without accents.

    >>> plain("MonthlyCharges"), plain("Vertrags-Ende (für Größe)"), plain("Renewal_Date__c"), plain("customerID")
    ('monthly charges', 'vertrags ende fuer groesse', 'renewal date', 'customer id')
    """
    text = re.sub(r"__c$", "", unicodedata.normalize("NFC", name).strip())
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", text).lower()
    text = "".join(SMALL.get(letter, letter) for letter in text)
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return " ".join(re.findall(r"[a-z]+|[0-9]+", text))


def slug(name: str) -> str:
    """A header as a name of small letters, digits and _.

    >>> slug("Login Frequency (30d)"), slug("Größe")
    ('login_frequency_30d', 'groesse')
    """
    text = "".join(SMALL.get(letter, letter) for letter in unicodedata.normalize("NFC", name).strip().lower())
    return "_".join(re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()))


def _stems(text: str) -> list[str]:
    """Words without the s of a plural, so that `tickets` and `ticket` meet."""
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in text.split()]


GENERIC = re.compile(r"(c|col|column|f|field|x|v|var|attr|kolumn|spalte|kolom|campo|colonne|unnamed)?[ _.:-]*\d+|[a-z]", re.IGNORECASE)


def generic(header: str) -> bool:
    """Whether a header only counts: c1, col_2, field3, Unnamed: 0.

    >>> generic("c1"), generic("Column_12"), generic("Unnamed: 0"), generic("customer 1")
    (True, True, True, False)
    """
    return GENERIC.fullmatch(header.strip()) is not None


@lru_cache(maxsize=65536)
def match(name: str, phrases: tuple[str, ...]) -> float:
    """How well a name fits the best of some phrases: 1 the same words, less where it says more, 0 not at all.

    >>> match("Ticket ID", ("ticket id", "id")), match("support_ticket_log", ("tickets",)) > 0.5, match("colour", ("id",))
    (1.0, True, 0.0)
    """
    words = _stems(plain(name))
    return max((_fit(words, _stems(phrase)) - place / 1000 for place, phrase in enumerate(phrases)), default=0.0) if words else 0.0


def _fit(words: list[str], phrase: list[str]) -> float:
    if not phrase:
        return 0.0
    if "".join(words) == "".join(phrase):
        return 1.0
    for start in range(len(words) - len(phrase) + 1):
        if words[start : start + len(phrase)] == phrase:
            return 0.5 + 0.4 * len(phrase) / len(words)
    if len(phrase) == 1 and len(phrase[0]) >= 6 and any(phrase[0] in word for word in words):
        return 0.45
    return 0.0
