"""Which role a column plays in a table: the words for each role, and the best pairs of role and column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .init_column import Column
from .init_words import match, plain
from .schema import FLAG, NUMBER, TABLES, WHEN

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "name": ("account name", "company name", "customer name", "name", "company", "firma", "firmenname", "kundenname", "raison sociale",
             "nom", "nom client", "nombre", "razon social", "school name", "organization name"),
    "segment": ("segment", "customer segment", "size", "tier", "company size", "kundensegment", "groesse", "taille", "segmento", "tamano"),
    "industry": ("industry", "vertical", "sector", "branche", "secteur", "sector industrial", "industria"),
    "region": ("region", "country", "billing country", "territory", "geo", "land", "pays", "pais", "zona"),
    "plan": ("plan", "plan tier", "plan type", "product plan", "edition", "tarif", "paket", "formule", "offre", "tarifa"),
    "csm": ("csm", "customer success manager", "account owner", "owner", "owner name", "csm name", "betreuer", "kundenbetreuer",
            "charge de compte", "responsable", "gestor", "owner id"),
}  # fmt: skip


CONTRACTS: dict[str, tuple[str, ...]] = {
    "start_date": ("start date", "contract start date", "subscription start", "start", "begin date", "begin", "effective date",
                   "valid from", "starts on", "service start", "vertragsbeginn", "beginn", "startdatum", "laufzeitbeginn",
                   "gueltig ab", "debut",
                   "date debut", "date de debut", "inicio", "fecha inicio", "fecha de inicio", "date registration", "registration date",
                   "start utc", "created utc", "closed won date", "close date", "signup date", "customer since", "kunde seit"),
    "end_date": ("end date", "contract end date", "subscription end", "end", "renewal date", "expiration date", "expiry date", "expires on",
                 "term end", "valid to", "valid until", "ends on", "ended at", "ended at utc", "service end", "due date", "vertragsende",
                 "ende", "enddatum", "laufzeitende", "gueltig bis", "fin", "date fin", "date de fin", "echeance", "fecha fin",
                 "fecha de fin", "vencimiento", "date unregistration", "unregistration date", "cancellation date", "canceled at",
                 "canceled at utc"),
    "contract_id": ("contract id", "subscription id", "sub id", "opportunity id", "opp id", "deal id", "record id", "renewal id",
                    "contract number", "vertragsnummer", "vertrag nr", "vertrags id", "abo id", "numero contrat", "id contrat",
                    "id contrato", "numero contrato", "id"),
    "arr": ("arr", "arr amount", "annual recurring revenue", "acv", "annual contract value", "annual amount", "annual value",
            "yearly amount",
            "annual price", "jahreswert", "jahresbetrag", "jahresumsatz", "jahrespreis", "montant annuel", "prix annuel", "importe anual",
            "valor anual"),
    "mrr": ("mrr", "mrr amount", "monthly recurring revenue", "monthly amount", "monthly price", "monthly charges", "monthly fee",
            "monatsbetrag", "monatspreis", "monatlich", "montant mensuel", "prix mensuel", "mensualite", "importe mensual",
    "cuota mensual"),
    "amount": ("amount", "contract value", "total contract value", "tcv", "deal value", "value", "price", "plan amount", "unit amount",
               "betrag", "vertragswert", "wert", "preis", "montant", "prix", "importe", "valor", "precio"),
    "seats": ("seats", "seat count", "licenses", "licences", "license count", "number of users", "users", "quantity", "lizenzen",
              "anzahl lizenzen", "plaetze", "anzahl nutzer", "licences utilisateurs", "nombre licences", "licencias", "puestos", "menge"),
    "units": ("units", "unit", "unit of measure", "einheit", "unite", "unidad"),
    "discount": ("discount", "discount percent", "rabatt", "remise", "descuento"),
    "auto_renew": ("auto renew", "auto renew flag", "auto renewal", "autorenew", "automatic renewal", "automatische verlaengerung",
                   "renouvellement automatique", "tacite reconduction", "renovacion automatica"),
    "billing_period": ("billing frequency", "billing period", "bill period months", "billing cycle", "billing interval", "interval",
                       "plan interval", "zahlungsweise", "abrechnung", "periodicite", "facturation", "facturacion", "periodicidad"),
    "term_months": ("term months", "contract term", "term in months", "term", "laufzeit monate", "laufzeit", "duree mois", "duree",
                    "duracion meses", "duracion"),
    "outcome": ("outcome", "renewal outcome", "renewal result", "renewal status", "ergebnis", "resultat", "resultado"),
    "decided_on": ("decided on", "decision date", "entscheidung am", "date decision", "fecha decision"),
    "renewed_arr": ("renewed arr", "renewal arr", "new arr"),
    "churn_reason": ("churn reason", "loss reason", "lost reason", "closed lost reason", "cancellation reason", "kuendigungsgrund",
                     "motif de resiliation", "motivo de baja"),
    "stage": ("stage", "stage name", "deal stage", "opportunity stage", "phase", "etape", "etapa"),
    "plan": ("product", "plan", "plan tier", "plan name", "product name", "original plan", "produkt", "produit", "producto", "tarif"),
}  # fmt: skip
"""Roles of a contract's columns; some (mrr, amount, units, term_months, stage) only help to work out another."""


EVENTS: dict[str, dict[str, tuple[str, ...]]] = {
    "usage": {
        "occurred_at": ("occurred at", "timestamp", "event time", "event date", "usage date", "activity date", "sent at", "received at",
                        "created at", "date", "day", "time", "month", "week start", "date submitted", "login date", "datum", "zeitpunkt",
                        "monat", "tag", "jour", "mois", "fecha", "mes"),
        "user_id": ("user id", "userid", "user", "actor id", "visitor id", "person id", "distinct id", "nutzer id", "nutzer", "benutzer",
                    "utilisateur", "id utilisateur", "usuario", "id usuario", "email"),
        "feature": ("feature", "feature name", "event", "event name", "event type", "event action", "module", "activity type", "action",
                    "funktion", "ereignis", "modul", "fonctionnalite", "evenement", "funcion", "evento", "accion"),
        "quantity": ("quantity", "count", "usage count", "event count", "n events", "events", "number of events", "total events", "clicks",
                     "anzahl", "menge", "nombre", "quantite", "cantidad", "numero"),
        "active_users": ("n users", "active users", "users", "user count", "distinct users", "aktive nutzer", "utilisateurs actifs",
                         "usuarios activos"),
    },
    "tickets": {
        "opened_at": ("opened at", "opened", "created at", "created date", "created", "submitted at", "date opened", "open date",
                      "date time opened", "requested at", "erstellt am", "erstellt", "eroeffnet am", "eroeffnet", "cree le",
                      "date creation", "ouvert le", "fecha creacion", "creado", "abierto", "date"),
        "closed_at": ("closed at", "closed", "closed date", "solved at", "solved", "resolved at", "resolution date", "resolved",
                      "date time closed", "geschlossen am", "geschlossen", "geloest am", "ferme le", "date fermeture", "resolu le",
                      "date cloture", "fecha cierre", "cerrado", "resuelto"),
        "ticket_id": ("ticket id", "case number", "case id", "ticket number", "issue id", "ticket", "ticketnummer", "ticket nr",
                      "numero ticket", "id ticket", "numero de ticket", "id"),
        "severity": ("severity", "priority", "urgency", "prioritaet", "dringlichkeit", "priorite", "urgence", "gravite", "prioridad",
                     "urgencia", "gravedad"),
        "category": ("category", "type", "topic", "reason", "kategorie", "thema", "categorie", "sujet", "categoria", "tema", "ticket type"),
        "satisfaction": ("satisfaction", "satisfaction score", "satisfaction rating", "csat", "csat score", "zufriedenheit", "note",
                         "satisfaccion", "valoracion"),
    },
    "surveys": {
        "responded_at": ("responded at", "response date", "survey date", "submitted at", "answered at", "created at", "date", "timestamp",
                         "datum", "antwortdatum", "date reponse", "fecha", "fecha respuesta"),
        "score": ("score", "nps score", "nps", "csat", "csat score", "rating", "answer", "value", "punkte", "bewertung", "antwort", "note",
                  "puntuacion", "respuesta"),
        "kind": ("kind", "survey type", "survey", "type", "umfrage", "art", "enquete", "tipo", "encuesta"),
        "respondent_id": ("respondent id", "respondent", "contact id", "user id", "email", "kontakt", "contact", "contacto"),
    },
    "touchpoints": {
        "occurred_at": ("occurred at", "activity date", "meeting date", "due date only", "timestamp", "date", "created at", "start time",
                        "datum", "termin", "fecha", "day"),
        "kind": ("kind", "activity type", "type", "task subtype", "channel", "art", "typ", "tipo", "kanal", "canal"),
        "persona": ("persona", "role", "contact role", "participant role", "rolle", "ansprechpartner", "fonction", "rol", "cargo"),
        "direction": ("direction", "inbound outbound", "richtung", "sens", "direccion"),
    },
    "ratings": {
        "rated_at": ("rated at", "rating date", "updated at", "date", "datum", "fecha"),
        "rating": ("rating", "csm rating", "sentiment", "csm sentiment", "pulse", "score", "bewertung", "note", "valoracion"),
        "rated_by": ("rated by", "csm", "author", "owner", "betreuer", "auteur", "autor"),
        "kind": ("kind", "type", "art", "tipo"),
    },
    "milestones": {
        "milestone": ("milestone", "milestone name", "step", "step name", "task", "task name", "meilenstein", "schritt", "jalon", "etape",
                      "hito", "paso"),
        "due_at": ("due at", "due date", "due", "target date", "planned date", "faellig am", "faellig", "echeance", "vencimiento"),
        "completed_at": ("completed at", "completed date", "completion date", "completed", "done at", "finished at", "erledigt am",
                         "abgeschlossen am", "termine le", "acheve le", "completado", "fecha completado"),
    },
    "goals": {
        "goal": ("goal", "goal name", "objective", "name", "ziel", "objectif", "objetivo", "meta"),
        "set_at": ("set at", "created at", "agreed on", "start date", "gesetzt am", "vereinbart am", "defini le", "fecha inicio"),
        "achieved_at": ("achieved at", "achieved", "completed at", "reached at", "erreicht am", "atteint le", "logrado", "alcanzado"),
    },
    "invoices": {
        "issued_at": ("issued at", "invoice date", "issue date", "created", "created utc", "date", "rechnungsdatum", "datum",
                      "date facture", "date emission", "fecha factura", "fecha emision", "fecha"),
        "amount": ("amount", "total", "amount due", "invoice amount", "total amount", "betrag", "rechnungsbetrag", "summe", "montant",
                   "total ttc", "importe"),
        "due_at": ("due at", "due date", "due date utc", "due", "faellig am", "faelligkeit", "zahlungsziel", "echeance", "date echeance",
                   "vencimiento", "fecha vencimiento"),
        "paid_at": ("paid at", "paid date", "payment date", "paid", "paid on", "bezahlt am", "zahlungseingang", "paye le",
                    "date paiement", "pagado", "fecha pago"),
        "recurring": ("recurring", "is recurring", "wiederkehrend", "recurrent", "recurrente"),
    },
    "advocacy": {
        "occurred_at": ("occurred at", "date", "created at", "datum", "fecha"),
        "kind": ("kind", "type", "activity", "art", "tipo"),
    },
    "interventions": {
        "started_at": ("started at", "start date", "assigned date", "assigned at", "created at", "created date", "date", "gestartet am",
                       "debut", "inicio", "datum"),
        "playbook": ("playbook", "treatment type", "playbook name", "cta type", "campaign", "intervention", "action", "massnahme",
                     "campagne", "campana", "type"),
        "ended_at": ("ended at", "end date", "closed at", "completed at", "beendet am", "fin"),
        "trigger": ("trigger", "ausloeser", "declencheur"),
    },
    "score_history": {
        "scored_on": ("scored on", "score date", "snapshot date", "scored at", "measured on", "as of", "date", "month", "datum", "fecha"),
        "score": ("health score", "overall score", "score", "csm health score", "gesundheitswert", "score de sante", "puntuacion"),
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
