ALTER SESSION SET TIMEZONE = 'UTC';

CREATE OR REPLACE TEMPORARY TABLE "healthlib_accounts_here" ("account_id" VARCHAR);

INSERT INTO "healthlib_accounts_here" VALUES
  ('05'),
  ('1'),
  ('2');
-- and 2 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_first_contract_in" ("visible_from" TIMESTAMPNTZ, "account_id" VARCHAR);

INSERT INTO "healthlib_first_contract_in" VALUES
  (CAST('2025-06-15 00:00:00' AS TIMESTAMPNTZ), '05'),
  (CAST('2023-03-01 00:00:00' AS TIMESTAMPNTZ), '1'),
  (CAST('2023-06-01 00:00:00' AS TIMESTAMPNTZ), '2');
-- and 2 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_first_contract" AS
SELECT
  CAST("visible_from" AS DATE) AS "visible_from",
  "account_id"
FROM "healthlib_first_contract_in";

SELECT
  "x"."rule",
  "x"."known",
  MIN("x"."day") AS "first_day",
  MAX("x"."day") AS "last_day",
  MAX(CASE WHEN "x"."known" <> "x"."day" THEN 1 ELSE 0 END) AS "late",
  COUNT(*) AS "many"
FROM (
  SELECT
    CASE
      WHEN NOT "t"."fault" IS NULL
      THEN "t"."fault"
      WHEN "a"."account_id" IS NULL
      THEN 'stranger'
    END AS "rule",
    CASE WHEN "t"."fault" IS NULL THEN CAST("t"."occurred_at" AS DATE) END AS "day",
    CASE
      WHEN "t"."fault" IS NULL
      THEN CASE
        WHEN CAST("t"."recorded_at" AS DATE) IS NULL
        THEN CAST("t"."occurred_at" AS DATE)
        WHEN CAST("t"."recorded_at" AS DATE) > CAST("t"."occurred_at" AS DATE)
        THEN CAST("t"."recorded_at" AS DATE)
        ELSE CAST("t"."occurred_at" AS DATE)
      END
    END AS "known"
  FROM (
    SELECT
      "t".*,
      CASE
        WHEN "t"."account_id" IS NULL
        THEN 'no_account'
        WHEN "t"."occurred_at" IS NULL
        THEN 'no_time'
        WHEN "t"."occurred_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."occurred_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        OR "t"."recorded_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."recorded_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        THEN 'bad_date'
        WHEN ABS("t"."quantity") > 1000000000000
        THEN 'bad_number'
      END AS "fault"
    FROM (
      SELECT
        CASE
          WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
          ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
        END AS "account_id",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."OCCURRED_AT") AS TIMESTAMPNTZ) AS "occurred_at",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."Loaded At") AS TIMESTAMPNTZ) AS "recorded_at",
        CASE
          WHEN NOT CAST("raw"."QUANTITY" AS DOUBLE) = CAST('NaN' AS DOUBLE)
          THEN CAST("raw"."QUANTITY" AS DOUBLE)
        END AS "quantity",
        CASE
          WHEN CAST("raw"."USER_ID" AS VARCHAR) = ''
          OR CAST("raw"."USER_ID" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."USER_ID" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."USER_ID" AS VARCHAR)), '')
          ELSE CAST("raw"."USER_ID" AS VARCHAR)
        END AS "user_id",
        CASE
          WHEN CAST("raw"."FEATURE" AS VARCHAR) = ''
          OR CAST("raw"."FEATURE" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."FEATURE" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."FEATURE" AS VARCHAR)), '')
          ELSE CAST("raw"."FEATURE" AS VARCHAR)
        END AS "feature"
      FROM "CRM"."EVENTS" AS "raw"
    ) AS "t"
  ) AS "t"
  LEFT JOIN "healthlib_accounts_here" AS "a"
    ON "a"."account_id" = "t"."account_id"
) AS "x"
GROUP BY
  "x"."rule",
  "x"."known";

SELECT
  "x"."rule",
  "x"."known",
  MIN("x"."day") AS "first_day",
  MAX("x"."day") AS "last_day",
  MAX(CASE WHEN "x"."known" <> "x"."day" THEN 1 ELSE 0 END) AS "late",
  COUNT(*) AS "many"
FROM (
  SELECT
    CASE
      WHEN NOT "t"."fault" IS NULL
      THEN "t"."fault"
      WHEN "a"."account_id" IS NULL
      THEN 'stranger'
    END AS "rule",
    CASE WHEN "t"."fault" IS NULL THEN CAST("t"."opened_at" AS DATE) END AS "day",
    CASE WHEN "t"."fault" IS NULL THEN CAST("t"."opened_at" AS DATE) END AS "known"
  FROM (
    SELECT
      "t".*,
      CASE
        WHEN "t"."account_id" IS NULL
        THEN 'no_account'
        WHEN "t"."opened_at" IS NULL
        THEN 'no_time'
        WHEN "t"."opened_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."opened_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        OR "t"."due_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."due_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        OR "t"."closed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."closed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        THEN 'bad_date'
        WHEN CAST("t"."closed_at" AS DATE) < CAST("t"."opened_at" AS DATE)
        THEN 'backwards'
      END AS "fault"
    FROM (
      SELECT
        CASE
          WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
          ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
        END AS "account_id",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."OPENED_AT") AS TIMESTAMPNTZ) AS "opened_at",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."Due At") AS TIMESTAMPNTZ) AS "due_at",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."CLOSED_AT") AS TIMESTAMPNTZ) AS "closed_at"
      FROM "CRM"."TICKETS" AS "raw"
    ) AS "t"
  ) AS "t"
  LEFT JOIN "healthlib_accounts_here" AS "a"
    ON "a"."account_id" = "t"."account_id"
) AS "x"
GROUP BY
  "x"."rule",
  "x"."known";

SELECT
  "x"."rule",
  "x"."known",
  MIN("x"."day") AS "first_day",
  MAX("x"."day") AS "last_day",
  MAX(CASE WHEN "x"."known" <> "x"."day" THEN 1 ELSE 0 END) AS "late",
  COUNT(*) AS "many"
FROM (
  SELECT
    CASE
      WHEN NOT "t"."fault" IS NULL
      THEN "t"."fault"
      WHEN "a"."account_id" IS NULL
      THEN 'stranger'
    END AS "rule",
    CASE WHEN "t"."fault" IS NULL THEN CAST("t"."day" AS DATE) END AS "day",
    CASE WHEN "t"."fault" IS NULL THEN DATEADD(DAY, 3, CAST("t"."day" AS DATE)) END AS "known"
  FROM (
    SELECT
      "t".*,
      CASE
        WHEN "t"."account_id" IS NULL
        THEN 'no_account'
        WHEN "t"."day" IS NULL
        THEN 'no_time'
        WHEN "t"."day" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."day" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        THEN 'bad_date'
        WHEN ABS("t"."unit price") > 1000000000000 OR ABS("t"."select") > 1000000000000
        THEN 'bad_number'
      END AS "fault"
    FROM (
      SELECT
        CASE
          WHEN CAST("raw"."Acct Id" AS VARCHAR) = ''
          OR CAST("raw"."Acct Id" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."Acct Id" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."Acct Id" AS VARCHAR)), '')
          ELSE CAST("raw"."Acct Id" AS VARCHAR)
        END AS "account_id",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."DAY") AS TIMESTAMPNTZ) AS "day",
        CASE
          WHEN CAST("raw"."ORDER" AS VARCHAR) = ''
          OR CAST("raw"."ORDER" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."ORDER" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."ORDER" AS VARCHAR)), '')
          ELSE CAST("raw"."ORDER" AS VARCHAR)
        END AS "order",
        CASE
          WHEN CAST("raw"."GROUP" AS VARCHAR) = ''
          OR CAST("raw"."GROUP" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."GROUP" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."GROUP" AS VARCHAR)), '')
          ELSE CAST("raw"."GROUP" AS VARCHAR)
        END AS "group",
        CASE
          WHEN NOT CAST("raw"."Unit Price" AS DOUBLE) = CAST('NaN' AS DOUBLE)
          THEN CAST("raw"."Unit Price" AS DOUBLE)
        END AS "unit price",
        CASE
          WHEN NOT CAST("raw"."SELECT" AS DOUBLE) = CAST('NaN' AS DOUBLE)
          THEN CAST("raw"."SELECT" AS DOUBLE)
        END AS "select"
      FROM "CRM"."ORDER" AS "raw"
    ) AS "t"
  ) AS "t"
  LEFT JOIN "healthlib_accounts_here" AS "a"
    ON "a"."account_id" = "t"."account_id"
) AS "x"
GROUP BY
  "x"."rule",
  "x"."known";

SELECT
  "x"."rule",
  "x"."known",
  MIN("x"."day") AS "first_day",
  MAX("x"."day") AS "last_day",
  MAX(CASE WHEN "x"."known" <> "x"."day" THEN 1 ELSE 0 END) AS "late",
  COUNT(*) AS "many"
FROM (
  SELECT
    CASE
      WHEN NOT "t"."fault" IS NULL
      THEN "t"."fault"
      WHEN "a"."account_id" IS NULL
      THEN 'stranger'
    END AS "rule",
    CASE
      WHEN "t"."fault" IS NULL
      THEN COALESCE(CAST(NULL AS DATE), "f"."visible_from")
    END AS "day",
    CASE
      WHEN "t"."fault" IS NULL
      THEN COALESCE(CAST(NULL AS DATE), "f"."visible_from")
    END AS "known"
  FROM (
    SELECT
      "t".*,
      CASE
        WHEN "t"."account_id" IS NULL
        THEN 'no_account'
        WHEN "t"."milestone" IS NULL
        THEN 'empty'
        WHEN "t"."completed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."completed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        THEN 'bad_date'
      END AS "fault"
    FROM (
      SELECT
        CASE
          WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
          ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
        END AS "account_id",
        CASE
          WHEN CAST("raw"."MILESTONE" AS VARCHAR) = ''
          OR CAST("raw"."MILESTONE" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."MILESTONE" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."MILESTONE" AS VARCHAR)), '')
          ELSE CAST("raw"."MILESTONE" AS VARCHAR)
        END AS "milestone",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."COMPLETED_AT") AS TIMESTAMPNTZ) AS "completed_at"
      FROM "CRM"."STEPS" AS "raw"
    ) AS "t"
  ) AS "t"
  LEFT JOIN "healthlib_accounts_here" AS "a"
    ON "a"."account_id" = "t"."account_id"
  LEFT JOIN "healthlib_first_contract" AS "f"
    ON "f"."account_id" = "t"."account_id"
) AS "x"
GROUP BY
  "x"."rule",
  "x"."known";

SELECT
  CAST(COALESCE(SUM("k"."n" - 1), 0) AS BIGINT) AS "again"
FROM (
  SELECT
    COUNT(*) AS "n"
  FROM (
    SELECT
      "t".*,
      CASE
        WHEN "t"."account_id" IS NULL
        THEN 'no_account'
        WHEN "t"."milestone" IS NULL
        THEN 'empty'
        WHEN "t"."completed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
        OR "t"."completed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
        THEN 'bad_date'
      END AS "fault"
    FROM (
      SELECT
        CASE
          WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
          ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
        END AS "account_id",
        CASE
          WHEN CAST("raw"."MILESTONE" AS VARCHAR) = ''
          OR CAST("raw"."MILESTONE" AS VARCHAR) LIKE ' %'
          OR CAST("raw"."MILESTONE" AS VARCHAR) LIKE '% '
          THEN NULLIF(TRIM(CAST("raw"."MILESTONE" AS VARCHAR)), '')
          ELSE CAST("raw"."MILESTONE" AS VARCHAR)
        END AS "milestone",
        CAST(CONVERT_TIMEZONE('UTC', "raw"."COMPLETED_AT") AS TIMESTAMPNTZ) AS "completed_at"
      FROM "CRM"."STEPS" AS "raw"
    ) AS "t"
  ) AS "s"
  WHERE
    "s"."fault" IS NULL
    AND NOT "s"."account_id" IS NULL
    AND NOT "s"."milestone" IS NULL
  GROUP BY
    "s"."account_id",
    "s"."milestone"
  HAVING
    COUNT(*) > 1
) AS "k";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_asked" ("healthlib_account" BIGINT, "healthlib_id" VARCHAR);

INSERT INTO "healthlib_asked" VALUES
  (0, '1'),
  (1, '2'),
  (2, '3');
-- and 2 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_spine_in" ("account_id" VARCHAR, "as_of" TIMESTAMPNTZ, "term_ends" TIMESTAMPNTZ, "place" BIGINT, "account" BIGINT, "nth" BIGINT);

INSERT INTO "healthlib_spine_in" VALUES
  ('1', CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), CAST('2025-02-28 00:00:00' AS TIMESTAMPNTZ), 0, 0, 0),
  ('2', CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), NULL, 1, 1, 0),
  ('3', CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), CAST('2025-03-01 00:00:00' AS TIMESTAMPNTZ), 2, 2, 0);
-- and 7 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_spine" AS
SELECT
  "place",
  "account_id",
  "account",
  CAST("as_of" AS DATE) AS "as_of",
  "nth",
  CAST("term_ends" AS DATE) AS "term_ends"
FROM "healthlib_spine_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_days_in" ("healthlib_day" TIMESTAMPNTZ, "healthlib_cell" BIGINT, "healthlib_bit" BIGINT);

INSERT INTO "healthlib_days_in" VALUES
  (CAST('2024-01-01 00:00:00' AS TIMESTAMPNTZ), 2, 1),
  (CAST('2024-01-02 00:00:00' AS TIMESTAMPNTZ), 2, 2),
  (CAST('2024-01-03 00:00:00' AS TIMESTAMPNTZ), 2, 4);
-- and 544 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_days" AS
SELECT
  CAST("healthlib_day" AS DATE) AS "healthlib_day",
  "healthlib_cell",
  "healthlib_bit"
FROM "healthlib_days_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_spans" ("nth" BIGINT, "w" BIGINT, "s" BIGINT, "first_cell" BIGINT, "last_cell" BIGINT);

INSERT INTO "healthlib_spans" VALUES
  (0, 0, 0, 1, 3),
  (0, 28, 0, 3, 3),
  (0, 90, 0, 2, 3);
-- and 3 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_window_cells" ("nth" BIGINT, "w" BIGINT, "s" BIGINT, "first_cell" BIGINT, "cell" BIGINT);

INSERT INTO "healthlib_window_cells" VALUES
  (0, 28, 0, 3, 3),
  (0, 90, 0, 2, 2),
  (0, 90, 0, 2, 3);
-- and 3 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_known_days_in" ("healthlib_known" TIMESTAMPNTZ, "healthlib_known_cell" BIGINT);

INSERT INTO "healthlib_known_days_in" VALUES
  (CAST('2024-01-01 00:00:00' AS TIMESTAMPNTZ), 0),
  (CAST('2024-01-02 00:00:00' AS TIMESTAMPNTZ), 0),
  (CAST('2024-01-03 00:00:00' AS TIMESTAMPNTZ), 0);
-- and 544 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_known_days" AS
SELECT
  CAST("healthlib_known" AS DATE) AS "healthlib_known",
  "healthlib_known_cell"
FROM "healthlib_known_days_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_cells" AS
WITH "healthlib_known_usage" AS (
  SELECT
    "t"."account_id",
    "t"."occurred_at",
    "t"."recorded_at",
    COALESCE("t"."quantity", 1) AS "quantity",
    "t"."user_id",
    "t"."feature",
    CAST("t"."occurred_at" AS DATE) AS "day",
    CASE
      WHEN CAST("t"."recorded_at" AS DATE) IS NULL
      THEN CAST("t"."occurred_at" AS DATE)
      WHEN CAST("t"."recorded_at" AS DATE) > CAST("t"."occurred_at" AS DATE)
      THEN CAST("t"."recorded_at" AS DATE)
      ELSE CAST("t"."occurred_at" AS DATE)
    END AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."occurred_at" IS NULL
          THEN 'no_time'
          WHEN "t"."occurred_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."occurred_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN ABS("t"."quantity") > 1000000000000
          THEN 'bad_number'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OCCURRED_AT") AS TIMESTAMPNTZ) AS "occurred_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Loaded At") AS TIMESTAMPNTZ) AS "recorded_at",
          CASE
            WHEN NOT CAST("raw"."QUANTITY" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."QUANTITY" AS DOUBLE)
          END AS "quantity",
          CASE
            WHEN CAST("raw"."USER_ID" AS VARCHAR) = ''
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."USER_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."USER_ID" AS VARCHAR)
          END AS "user_id",
          CASE
            WHEN CAST("raw"."FEATURE" AS VARCHAR) = ''
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."FEATURE" AS VARCHAR)), '')
            ELSE CAST("raw"."FEATURE" AS VARCHAR)
          END AS "feature"
        FROM "CRM"."EVENTS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "a"."healthlib_account" AS "account",
  "d"."healthlib_cell" AS "cell",
  "kd"."healthlib_known_cell" AS "known_cell",
  COUNT(1) AS "x0",
  COUNT(1) AS "nx0",
  COALESCE(SUM(CAST("quantity" AS DECIMAL(38, 9))), 0) AS "x1",
  COUNT(1) AS "nx1",
  COUNT((
    "quantity"
  )) AS "x2",
  COUNT(1) AS "nx2",
  MAX(CAST("quantity" AS DOUBLE)) AS "x3",
  COUNT(1) AS "nx3",
  MAX(CASE WHEN "feature" = 'x' THEN "v"."day" END) AS "x4",
  COUNT(CASE WHEN "feature" = 'x' THEN 1 END) AS "nx4",
  COUNT(CASE WHEN (
    "feature" = 'x'
  ) THEN 1 END) AS "x5",
  COUNT(CASE WHEN (
    "feature" = 'x'
  ) THEN 1 END) AS "nx5",
  COUNT(CASE WHEN "feature" = 'it\'s' THEN 1 END) AS "x6",
  COUNT(CASE WHEN "feature" = 'it\'s' THEN 1 END) AS "nx6"
FROM "healthlib_known_usage" AS "v"
JOIN "healthlib_asked" AS "a"
  ON "a"."healthlib_id" = "v"."account_id"
JOIN "healthlib_days" AS "d"
  ON "d"."healthlib_day" = "v"."day"
JOIN "healthlib_known_days" AS "kd"
  ON "kd"."healthlib_known" = "v"."known"
WHERE
  "v"."occurred_at" < CAST('2025-07-01 00:00:00' AS TIMESTAMPNTZ)
GROUP BY
  "a"."healthlib_account",
  "d"."healthlib_cell",
  "kd"."healthlib_known_cell";

SELECT
  "s"."place",
  "x0",
  "x3"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    CASE WHEN SUM("c"."nx0") > 0 THEN CAST(SUM("c"."x0") AS DOUBLE) END AS "x0",
    MAX("c"."x3") AS "x3"
  FROM "healthlib_window_cells" AS "p"
  JOIN "healthlib_cells" AS "c"
    ON "c"."cell" = "p"."cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 28 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

SELECT
  "s"."place",
  "x1",
  "x2"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    CASE WHEN SUM("c"."nx1") > 0 THEN CAST(SUM("c"."x1") AS DOUBLE) END AS "x1",
    CASE WHEN SUM("c"."nx2") > 0 THEN CAST(SUM("c"."x2") AS DOUBLE) END AS "x2"
  FROM "healthlib_window_cells" AS "p"
  JOIN "healthlib_cells" AS "c"
    ON "c"."cell" = "p"."cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 90 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

SELECT
  "s"."place",
  "x4",
  "x5",
  "x0",
  "x6"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    MAX("c"."x4") AS "x4",
    CASE WHEN SUM("c"."nx5") > 0 THEN CAST(SUM("c"."x5") AS DOUBLE) END AS "x5",
    CASE WHEN SUM("c"."nx0") > 0 THEN CAST(SUM("c"."x0") AS DOUBLE) END AS "x0",
    CASE WHEN SUM("c"."nx6") > 0 THEN CAST(SUM("c"."x6") AS DOUBLE) END AS "x6"
  FROM "healthlib_spans" AS "p"
  JOIN "healthlib_cells" AS "c"
    ON "c"."cell" <= "p"."last_cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 0 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_values_seen" AS
WITH "healthlib_known_usage" AS (
  SELECT
    "t"."account_id",
    "t"."occurred_at",
    "t"."recorded_at",
    COALESCE("t"."quantity", 1) AS "quantity",
    "t"."user_id",
    "t"."feature",
    CAST("t"."occurred_at" AS DATE) AS "day",
    CASE
      WHEN CAST("t"."recorded_at" AS DATE) IS NULL
      THEN CAST("t"."occurred_at" AS DATE)
      WHEN CAST("t"."recorded_at" AS DATE) > CAST("t"."occurred_at" AS DATE)
      THEN CAST("t"."recorded_at" AS DATE)
      ELSE CAST("t"."occurred_at" AS DATE)
    END AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."occurred_at" IS NULL
          THEN 'no_time'
          WHEN "t"."occurred_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."occurred_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN ABS("t"."quantity") > 1000000000000
          THEN 'bad_number'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OCCURRED_AT") AS TIMESTAMPNTZ) AS "occurred_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Loaded At") AS TIMESTAMPNTZ) AS "recorded_at",
          CASE
            WHEN NOT CAST("raw"."QUANTITY" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."QUANTITY" AS DOUBLE)
          END AS "quantity",
          CASE
            WHEN CAST("raw"."USER_ID" AS VARCHAR) = ''
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."USER_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."USER_ID" AS VARCHAR)
          END AS "user_id",
          CASE
            WHEN CAST("raw"."FEATURE" AS VARCHAR) = ''
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."FEATURE" AS VARCHAR)), '')
            ELSE CAST("raw"."FEATURE" AS VARCHAR)
          END AS "feature"
        FROM "CRM"."EVENTS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "a"."healthlib_account" AS "account",
  "d"."healthlib_cell" AS "cell",
  "kd"."healthlib_known_cell" AS "known_cell",
  "user_id" AS "value",
  1 AS "one"
FROM "healthlib_known_usage" AS "v"
JOIN "healthlib_asked" AS "a"
  ON "a"."healthlib_id" = "v"."account_id"
JOIN "healthlib_days" AS "d"
  ON "d"."healthlib_day" = "v"."day"
JOIN "healthlib_known_days" AS "kd"
  ON "kd"."healthlib_known" = "v"."known"
WHERE
  "v"."occurred_at" < CAST('2025-07-01 00:00:00' AS TIMESTAMPNTZ)
GROUP BY
  "a"."healthlib_account",
  "d"."healthlib_cell",
  "kd"."healthlib_known_cell",
  "user_id";

SELECT
  "s"."place",
  "x"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    CAST(COUNT(DISTINCT "c"."value") AS DOUBLE) AS "x"
  FROM "healthlib_spans" AS "p"
  JOIN "healthlib_values_seen" AS "c"
    ON "c"."cell" <= "p"."last_cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 0 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_values_seen" AS
WITH "healthlib_known_usage" AS (
  SELECT
    "t"."account_id",
    "t"."occurred_at",
    "t"."recorded_at",
    COALESCE("t"."quantity", 1) AS "quantity",
    "t"."user_id",
    "t"."feature",
    CAST("t"."occurred_at" AS DATE) AS "day",
    CASE
      WHEN CAST("t"."recorded_at" AS DATE) IS NULL
      THEN CAST("t"."occurred_at" AS DATE)
      WHEN CAST("t"."recorded_at" AS DATE) > CAST("t"."occurred_at" AS DATE)
      THEN CAST("t"."recorded_at" AS DATE)
      ELSE CAST("t"."occurred_at" AS DATE)
    END AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."occurred_at" IS NULL
          THEN 'no_time'
          WHEN "t"."occurred_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."occurred_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN ABS("t"."quantity") > 1000000000000
          THEN 'bad_number'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OCCURRED_AT") AS TIMESTAMPNTZ) AS "occurred_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Loaded At") AS TIMESTAMPNTZ) AS "recorded_at",
          CASE
            WHEN NOT CAST("raw"."QUANTITY" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."QUANTITY" AS DOUBLE)
          END AS "quantity",
          CASE
            WHEN CAST("raw"."USER_ID" AS VARCHAR) = ''
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."USER_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."USER_ID" AS VARCHAR)
          END AS "user_id",
          CASE
            WHEN CAST("raw"."FEATURE" AS VARCHAR) = ''
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."FEATURE" AS VARCHAR)), '')
            ELSE CAST("raw"."FEATURE" AS VARCHAR)
          END AS "feature"
        FROM "CRM"."EVENTS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "a"."healthlib_account" AS "account",
  "d"."healthlib_cell" AS "cell",
  "kd"."healthlib_known_cell" AS "known_cell",
  "day" AS "value",
  1 AS "one"
FROM "healthlib_known_usage" AS "v"
JOIN "healthlib_asked" AS "a"
  ON "a"."healthlib_id" = "v"."account_id"
JOIN "healthlib_days" AS "d"
  ON "d"."healthlib_day" = "v"."day"
JOIN "healthlib_known_days" AS "kd"
  ON "kd"."healthlib_known" = "v"."known"
WHERE
  "v"."occurred_at" < CAST('2025-07-01 00:00:00' AS TIMESTAMPNTZ)
GROUP BY
  "a"."healthlib_account",
  "d"."healthlib_cell",
  "kd"."healthlib_known_cell",
  "day";

SELECT
  "s"."place",
  "x"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    CAST(COUNT(DISTINCT "c"."value") AS DOUBLE) AS "x"
  FROM "healthlib_window_cells" AS "p"
  JOIN "healthlib_values_seen" AS "c"
    ON "c"."cell" = "p"."cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 28 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_latest" AS
WITH "healthlib_known_usage" AS (
  SELECT
    "t"."account_id",
    "t"."occurred_at",
    "t"."recorded_at",
    COALESCE("t"."quantity", 1) AS "quantity",
    "t"."user_id",
    "t"."feature",
    CAST("t"."occurred_at" AS DATE) AS "day",
    CASE
      WHEN CAST("t"."recorded_at" AS DATE) IS NULL
      THEN CAST("t"."occurred_at" AS DATE)
      WHEN CAST("t"."recorded_at" AS DATE) > CAST("t"."occurred_at" AS DATE)
      THEN CAST("t"."recorded_at" AS DATE)
      ELSE CAST("t"."occurred_at" AS DATE)
    END AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."occurred_at" IS NULL
          THEN 'no_time'
          WHEN "t"."occurred_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."occurred_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."recorded_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN ABS("t"."quantity") > 1000000000000
          THEN 'bad_number'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OCCURRED_AT") AS TIMESTAMPNTZ) AS "occurred_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Loaded At") AS TIMESTAMPNTZ) AS "recorded_at",
          CASE
            WHEN NOT CAST("raw"."QUANTITY" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."QUANTITY" AS DOUBLE)
          END AS "quantity",
          CASE
            WHEN CAST("raw"."USER_ID" AS VARCHAR) = ''
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."USER_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."USER_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."USER_ID" AS VARCHAR)
          END AS "user_id",
          CASE
            WHEN CAST("raw"."FEATURE" AS VARCHAR) = ''
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."FEATURE" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."FEATURE" AS VARCHAR)), '')
            ELSE CAST("raw"."FEATURE" AS VARCHAR)
          END AS "feature"
        FROM "CRM"."EVENTS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "account",
  "cell",
  "known_cell",
  "at_time",
  "known",
  "value"
FROM (
  SELECT
    "a"."healthlib_account" AS "account",
    "d"."healthlib_cell" AS "cell",
    "kd"."healthlib_known_cell" AS "known_cell",
    "v"."occurred_at" AS "at_time",
    "v"."known",
    CAST("quantity" AS DOUBLE) AS "value",
    ROW_NUMBER() OVER (
      PARTITION BY "a"."healthlib_account", "d"."healthlib_cell", "kd"."healthlib_known_cell"
      ORDER BY "v"."occurred_at" DESC NULLS LAST, "v"."known" DESC NULLS LAST, CAST("quantity" AS DOUBLE) DESC NULLS LAST
    ) AS "nth"
  FROM "healthlib_known_usage" AS "v"
  JOIN "healthlib_asked" AS "a"
    ON "a"."healthlib_id" = "v"."account_id"
  JOIN "healthlib_days" AS "d"
    ON "d"."healthlib_day" = "v"."day"
  JOIN "healthlib_known_days" AS "kd"
    ON "kd"."healthlib_known" = "v"."known"
  WHERE
    "v"."occurred_at" < CAST('2025-07-01 00:00:00' AS TIMESTAMPNTZ)
) AS "r"
WHERE
  "nth" = 1;

SELECT
  "s"."place",
  "x"
FROM (
  SELECT
    "account",
    "nth",
    "x"
  FROM (
    SELECT
      "c"."account",
      "p"."nth",
      "c"."value" AS "x",
      ROW_NUMBER() OVER (
        PARTITION BY "c"."account", "p"."nth"
        ORDER BY "c"."at_time" DESC NULLS LAST, "c"."known" DESC NULLS LAST, "c"."value" DESC NULLS LAST
      ) AS "newest"
    FROM "healthlib_spans" AS "p"
    JOIN "healthlib_latest" AS "c"
      ON "c"."cell" <= "p"."last_cell" AND "c"."known_cell" <= "p"."nth"
    WHERE
      "p"."w" = 0 AND "p"."s" = 0
  ) AS "r"
  WHERE
    "newest" = 1
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks_in" ("as_of" TIMESTAMPNTZ, "since" TIMESTAMPNTZ, "until" TIMESTAMPNTZ);

INSERT INTO "healthlib_looks_in" VALUES
  (CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ)),
  (CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ));

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks" AS
SELECT
  CAST("as_of" AS DATE) AS "as_of",
  CAST("since" AS DATE) AS "since",
  CAST("until" AS DATE) AS "until"
FROM "healthlib_looks_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_seen" AS
WITH "healthlib_known_tickets" AS (
  SELECT
    "t"."account_id",
    "t"."opened_at",
    "t"."due_at",
    "t"."closed_at",
    CAST("t"."opened_at" AS DATE) AS "day",
    CAST("t"."opened_at" AS DATE) AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."opened_at" IS NULL
          THEN 'no_time'
          WHEN "t"."opened_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."opened_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."due_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."due_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."closed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."closed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN CAST("t"."closed_at" AS DATE) < CAST("t"."opened_at" AS DATE)
          THEN 'backwards'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OPENED_AT") AS TIMESTAMPNTZ) AS "opened_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Due At") AS TIMESTAMPNTZ) AS "due_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."CLOSED_AT") AS TIMESTAMPNTZ) AS "closed_at"
        FROM "CRM"."TICKETS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "v".*
FROM (
  SELECT
    "s"."place" AS "healthlib_place",
    "v"."day",
    "v"."known",
    "v"."opened_at",
    CASE WHEN CAST("v"."due_at" AS DATE) <= "k"."until" THEN "v"."due_at" END AS "due_at",
    CASE WHEN CAST("v"."closed_at" AS DATE) <= "k"."until" THEN "v"."closed_at" END AS "closed_at",
    "k"."until" AS "as_of",
    "s"."term_ends"
  FROM "healthlib_spine" AS "s"
  JOIN "healthlib_looks" AS "k"
    ON "k"."as_of" = "s"."as_of"
  JOIN "healthlib_known_tickets" AS "v"
    ON "v"."account_id" = "s"."account_id"
    AND "v"."known" <= "s"."as_of"
    AND "v"."day" <= "k"."until"
) AS "v";

SELECT
  "healthlib_place" AS "place",
  CAST(COUNT(CASE WHEN "closed_at" IS NULL THEN 1 END) AS DOUBLE) AS "x"
FROM "healthlib_seen" AS "v"
GROUP BY
  "healthlib_place";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks_in" ("as_of" TIMESTAMPNTZ, "since" TIMESTAMPNTZ, "until" TIMESTAMPNTZ);

INSERT INTO "healthlib_looks_in" VALUES
  (CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ)),
  (CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ));

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks" AS
SELECT
  CAST("as_of" AS DATE) AS "as_of",
  CAST("since" AS DATE) AS "since",
  CAST("until" AS DATE) AS "until"
FROM "healthlib_looks_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_seen" AS
WITH "healthlib_known_tickets" AS (
  SELECT
    "t"."account_id",
    "t"."opened_at",
    "t"."due_at",
    "t"."closed_at",
    CAST("t"."opened_at" AS DATE) AS "day",
    CAST("t"."opened_at" AS DATE) AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."opened_at" IS NULL
          THEN 'no_time'
          WHEN "t"."opened_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."opened_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."due_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."due_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."closed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."closed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN CAST("t"."closed_at" AS DATE) < CAST("t"."opened_at" AS DATE)
          THEN 'backwards'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OPENED_AT") AS TIMESTAMPNTZ) AS "opened_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Due At") AS TIMESTAMPNTZ) AS "due_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."CLOSED_AT") AS TIMESTAMPNTZ) AS "closed_at"
        FROM "CRM"."TICKETS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "v".*
FROM (
  SELECT
    "s"."place" AS "healthlib_place",
    "v"."day",
    "v"."known",
    "v"."opened_at",
    CASE WHEN CAST("v"."due_at" AS DATE) <= "k"."until" THEN "v"."due_at" END AS "due_at",
    CASE WHEN CAST("v"."closed_at" AS DATE) <= "k"."until" THEN "v"."closed_at" END AS "closed_at",
    "k"."until" AS "as_of",
    "s"."term_ends"
  FROM "healthlib_spine" AS "s"
  JOIN "healthlib_looks" AS "k"
    ON "k"."as_of" = "s"."as_of"
  JOIN "healthlib_known_tickets" AS "v"
    ON "v"."account_id" = "s"."account_id"
    AND "v"."known" <= "s"."as_of"
    AND "v"."day" <= "k"."until"
) AS "v"
WHERE
  "closed_at" IS NULL;

SELECT
  "healthlib_place" AS "place",
  CAST(MAX(CAST(DATEDIFF(DAY, CAST("opened_at" AS DATE), "as_of") AS DOUBLE)) AS DOUBLE) AS "x"
FROM "healthlib_seen" AS "v"
GROUP BY
  "healthlib_place";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks_in" ("as_of" TIMESTAMPNTZ, "since" TIMESTAMPNTZ, "until" TIMESTAMPNTZ);

INSERT INTO "healthlib_looks_in" VALUES
  (CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ)),
  (CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ));

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks" AS
SELECT
  CAST("as_of" AS DATE) AS "as_of",
  CAST("since" AS DATE) AS "since",
  CAST("until" AS DATE) AS "until"
FROM "healthlib_looks_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_seen" AS
WITH "healthlib_known_tickets" AS (
  SELECT
    "t"."account_id",
    "t"."opened_at",
    "t"."due_at",
    "t"."closed_at",
    CAST("t"."opened_at" AS DATE) AS "day",
    CAST("t"."opened_at" AS DATE) AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."opened_at" IS NULL
          THEN 'no_time'
          WHEN "t"."opened_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."opened_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."due_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."due_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          OR "t"."closed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."closed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN CAST("t"."closed_at" AS DATE) < CAST("t"."opened_at" AS DATE)
          THEN 'backwards'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."OPENED_AT") AS TIMESTAMPNTZ) AS "opened_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."Due At") AS TIMESTAMPNTZ) AS "due_at",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."CLOSED_AT") AS TIMESTAMPNTZ) AS "closed_at"
        FROM "CRM"."TICKETS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "v".*
FROM (
  SELECT
    "s"."place" AS "healthlib_place",
    "v"."day",
    "v"."known",
    "v"."opened_at",
    CASE WHEN CAST("v"."due_at" AS DATE) <= "k"."until" THEN "v"."due_at" END AS "due_at",
    CASE WHEN CAST("v"."closed_at" AS DATE) <= "k"."until" THEN "v"."closed_at" END AS "closed_at",
    "k"."until" AS "as_of",
    "s"."term_ends"
  FROM "healthlib_spine" AS "s"
  JOIN "healthlib_looks" AS "k"
    ON "k"."as_of" = "s"."as_of"
  JOIN "healthlib_known_tickets" AS "v"
    ON "v"."account_id" = "s"."account_id"
    AND "v"."known" <= "s"."as_of"
    AND "v"."day" <= "k"."until"
) AS "v"
WHERE
  "due_at" BETWEEN '2024-02-29' AND CAST('2025-06-15 00:00:00' AS TIMESTAMPNTZ);

SELECT
  "healthlib_place" AS "place",
  CAST(COUNT(1) AS DOUBLE) AS "x"
FROM "healthlib_seen" AS "v"
GROUP BY
  "healthlib_place";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_days_in" ("healthlib_day" TIMESTAMPNTZ, "healthlib_cell" BIGINT, "healthlib_bit" BIGINT);

INSERT INTO "healthlib_days_in" VALUES
  (CAST('2024-01-01 00:00:00' AS TIMESTAMPNTZ), 1, 1),
  (CAST('2024-01-02 00:00:00' AS TIMESTAMPNTZ), 1, 2),
  (CAST('2024-01-03 00:00:00' AS TIMESTAMPNTZ), 1, 4);
-- and 544 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_days" AS
SELECT
  CAST("healthlib_day" AS DATE) AS "healthlib_day",
  "healthlib_cell",
  "healthlib_bit"
FROM "healthlib_days_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_spans" ("nth" BIGINT, "w" BIGINT, "s" BIGINT, "first_cell" BIGINT, "last_cell" BIGINT);

INSERT INTO "healthlib_spans" VALUES
  (0, 0, 0, 1, 2),
  (0, 28, 0, 2, 2),
  (1, 0, 0, 1, 4);
-- and 1 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_window_cells" ("nth" BIGINT, "w" BIGINT, "s" BIGINT, "first_cell" BIGINT, "cell" BIGINT);

INSERT INTO "healthlib_window_cells" VALUES
  (0, 28, 0, 2, 2),
  (1, 28, 0, 4, 4);

CREATE OR REPLACE TEMPORARY TABLE "healthlib_known_days_in" ("healthlib_known" TIMESTAMPNTZ, "healthlib_known_cell" BIGINT);

INSERT INTO "healthlib_known_days_in" VALUES
  (CAST('2024-01-01 00:00:00' AS TIMESTAMPNTZ), 0),
  (CAST('2024-01-02 00:00:00' AS TIMESTAMPNTZ), 0),
  (CAST('2024-01-03 00:00:00' AS TIMESTAMPNTZ), 0);
-- and 544 rows more

CREATE OR REPLACE TEMPORARY TABLE "healthlib_known_days" AS
SELECT
  CAST("healthlib_known" AS DATE) AS "healthlib_known",
  "healthlib_known_cell"
FROM "healthlib_known_days_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_cells" AS
WITH "healthlib_known_orders" AS (
  SELECT
    "t"."account_id",
    "t"."order",
    "t"."group",
    "t"."unit price",
    "t"."select",
    CAST("t"."day" AS DATE) AS "day",
    DATEADD(DAY, 3, CAST("t"."day" AS DATE)) AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."day" IS NULL
          THEN 'no_time'
          WHEN "t"."day" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."day" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN ABS("t"."unit price") > 1000000000000 OR ABS("t"."select") > 1000000000000
          THEN 'bad_number'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."Acct Id" AS VARCHAR) = ''
            OR CAST("raw"."Acct Id" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."Acct Id" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."Acct Id" AS VARCHAR)), '')
            ELSE CAST("raw"."Acct Id" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."DAY") AS TIMESTAMPNTZ) AS "day",
          CASE
            WHEN CAST("raw"."ORDER" AS VARCHAR) = ''
            OR CAST("raw"."ORDER" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ORDER" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ORDER" AS VARCHAR)), '')
            ELSE CAST("raw"."ORDER" AS VARCHAR)
          END AS "order",
          CASE
            WHEN CAST("raw"."GROUP" AS VARCHAR) = ''
            OR CAST("raw"."GROUP" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."GROUP" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."GROUP" AS VARCHAR)), '')
            ELSE CAST("raw"."GROUP" AS VARCHAR)
          END AS "group",
          CASE
            WHEN NOT CAST("raw"."Unit Price" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."Unit Price" AS DOUBLE)
          END AS "unit price",
          CASE
            WHEN NOT CAST("raw"."SELECT" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."SELECT" AS DOUBLE)
          END AS "select"
        FROM "CRM"."ORDER" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "a"."healthlib_account" AS "account",
  "d"."healthlib_cell" AS "cell",
  "kd"."healthlib_known_cell" AS "known_cell",
  COALESCE(
    SUM(
      CASE
        WHEN LOWER("group") = 'a'
        THEN CAST("unit price" * "select" AS DECIMAL(38, 9))
      END
    ),
    0
  ) AS "x0",
  COUNT(CASE WHEN LOWER("group") = 'a' THEN 1 END) AS "nx0"
FROM "healthlib_known_orders" AS "v"
JOIN "healthlib_asked" AS "a"
  ON "a"."healthlib_id" = "v"."account_id"
JOIN "healthlib_days" AS "d"
  ON "d"."healthlib_day" = "v"."day"
JOIN "healthlib_known_days" AS "kd"
  ON "kd"."healthlib_known" = "v"."known"
GROUP BY
  "a"."healthlib_account",
  "d"."healthlib_cell",
  "kd"."healthlib_known_cell";

SELECT
  "s"."place",
  "x0"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    CASE WHEN SUM("c"."nx0") > 0 THEN CAST(SUM("c"."x0") AS DOUBLE) END AS "x0"
  FROM "healthlib_spans" AS "p"
  JOIN "healthlib_cells" AS "c"
    ON "c"."cell" <= "p"."last_cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 0 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_values_seen" AS
WITH "healthlib_known_orders" AS (
  SELECT
    "t"."account_id",
    "t"."order",
    "t"."group",
    "t"."unit price",
    "t"."select",
    CAST("t"."day" AS DATE) AS "day",
    DATEADD(DAY, 3, CAST("t"."day" AS DATE)) AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."day" IS NULL
          THEN 'no_time'
          WHEN "t"."day" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."day" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
          WHEN ABS("t"."unit price") > 1000000000000 OR ABS("t"."select") > 1000000000000
          THEN 'bad_number'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."Acct Id" AS VARCHAR) = ''
            OR CAST("raw"."Acct Id" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."Acct Id" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."Acct Id" AS VARCHAR)), '')
            ELSE CAST("raw"."Acct Id" AS VARCHAR)
          END AS "account_id",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."DAY") AS TIMESTAMPNTZ) AS "day",
          CASE
            WHEN CAST("raw"."ORDER" AS VARCHAR) = ''
            OR CAST("raw"."ORDER" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ORDER" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ORDER" AS VARCHAR)), '')
            ELSE CAST("raw"."ORDER" AS VARCHAR)
          END AS "order",
          CASE
            WHEN CAST("raw"."GROUP" AS VARCHAR) = ''
            OR CAST("raw"."GROUP" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."GROUP" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."GROUP" AS VARCHAR)), '')
            ELSE CAST("raw"."GROUP" AS VARCHAR)
          END AS "group",
          CASE
            WHEN NOT CAST("raw"."Unit Price" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."Unit Price" AS DOUBLE)
          END AS "unit price",
          CASE
            WHEN NOT CAST("raw"."SELECT" AS DOUBLE) = CAST('NaN' AS DOUBLE)
            THEN CAST("raw"."SELECT" AS DOUBLE)
          END AS "select"
        FROM "CRM"."ORDER" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
)
SELECT
  "a"."healthlib_account" AS "account",
  "d"."healthlib_cell" AS "cell",
  "kd"."healthlib_known_cell" AS "known_cell",
  "order" AS "value",
  1 AS "one"
FROM "healthlib_known_orders" AS "v"
JOIN "healthlib_asked" AS "a"
  ON "a"."healthlib_id" = "v"."account_id"
JOIN "healthlib_days" AS "d"
  ON "d"."healthlib_day" = "v"."day"
JOIN "healthlib_known_days" AS "kd"
  ON "kd"."healthlib_known" = "v"."known"
GROUP BY
  "a"."healthlib_account",
  "d"."healthlib_cell",
  "kd"."healthlib_known_cell",
  "order";

SELECT
  "s"."place",
  "x"
FROM (
  SELECT
    "c"."account",
    "p"."nth",
    CAST(COUNT(DISTINCT "c"."value") AS DOUBLE) AS "x"
  FROM "healthlib_window_cells" AS "p"
  JOIN "healthlib_values_seen" AS "c"
    ON "c"."cell" = "p"."cell" AND "c"."known_cell" <= "p"."nth"
  WHERE
    "p"."w" = 28 AND "p"."s" = 0
  GROUP BY
    "c"."account",
    "p"."nth"
) AS "f"
JOIN "healthlib_spine" AS "s"
  ON "s"."account" = "f"."account" AND "s"."nth" = "f"."nth";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks_in" ("as_of" TIMESTAMPNTZ, "since" TIMESTAMPNTZ, "until" TIMESTAMPNTZ);

INSERT INTO "healthlib_looks_in" VALUES
  (CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2024-02-29 00:00:00' AS TIMESTAMPNTZ)),
  (CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ), CAST('1677-10-01 00:00:00' AS TIMESTAMPNTZ), CAST('2025-06-30 00:00:00' AS TIMESTAMPNTZ));

CREATE OR REPLACE TEMPORARY TABLE "healthlib_looks" AS
SELECT
  CAST("as_of" AS DATE) AS "as_of",
  CAST("since" AS DATE) AS "since",
  CAST("until" AS DATE) AS "until"
FROM "healthlib_looks_in";

CREATE OR REPLACE TEMPORARY TABLE "healthlib_seen" AS
WITH "healthlib_known_milestones" AS (
  SELECT
    "t"."account_id",
    "t"."milestone",
    "t"."completed_at",
    COALESCE(CAST(NULL AS DATE), "f"."visible_from") AS "day",
    COALESCE(CAST(NULL AS DATE), "f"."visible_from") AS "known"
  FROM (
    SELECT
      *
    FROM (
      SELECT
        "t".*,
        CASE
          WHEN "t"."account_id" IS NULL
          THEN 'no_account'
          WHEN "t"."milestone" IS NULL
          THEN 'empty'
          WHEN "t"."completed_at" < CAST('1900-01-01' AS TIMESTAMPNTZ)
          OR "t"."completed_at" >= CAST('2200-01-01' AS TIMESTAMPNTZ)
          THEN 'bad_date'
        END AS "fault"
      FROM (
        SELECT
          CASE
            WHEN CAST("raw"."ACCOUNT_ID" AS VARCHAR) = ''
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."ACCOUNT_ID" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."ACCOUNT_ID" AS VARCHAR)), '')
            ELSE CAST("raw"."ACCOUNT_ID" AS VARCHAR)
          END AS "account_id",
          CASE
            WHEN CAST("raw"."MILESTONE" AS VARCHAR) = ''
            OR CAST("raw"."MILESTONE" AS VARCHAR) LIKE ' %'
            OR CAST("raw"."MILESTONE" AS VARCHAR) LIKE '% '
            THEN NULLIF(TRIM(CAST("raw"."MILESTONE" AS VARCHAR)), '')
            ELSE CAST("raw"."MILESTONE" AS VARCHAR)
          END AS "milestone",
          CAST(CONVERT_TIMEZONE('UTC', "raw"."COMPLETED_AT") AS TIMESTAMPNTZ) AS "completed_at"
        FROM "CRM"."STEPS" AS "raw"
      ) AS "t"
    ) AS "s"
    WHERE
      "s"."fault" IS NULL
  ) AS "t"
  LEFT JOIN "healthlib_first_contract" AS "f"
    ON "f"."account_id" = "t"."account_id"
)
SELECT
  "v".*
FROM (
  SELECT
    "s"."place" AS "healthlib_place",
    "v"."day",
    "v"."known",
    "v"."milestone",
    CASE
      WHEN CAST("v"."completed_at" AS DATE) <= "k"."until"
      THEN "v"."completed_at"
    END AS "completed_at",
    "k"."until" AS "as_of",
    "s"."term_ends"
  FROM "healthlib_spine" AS "s"
  JOIN "healthlib_looks" AS "k"
    ON "k"."as_of" = "s"."as_of"
  JOIN "healthlib_known_milestones" AS "v"
    ON "v"."account_id" = "s"."account_id"
    AND "v"."known" <= "s"."as_of"
    AND "v"."day" <= "k"."until"
) AS "v";

SELECT
  "healthlib_place" AS "place",
  CAST(MAX(
    CAST(DATEDIFF(DAY, "term_ends", COALESCE(CAST("completed_at" AS DATE), "as_of")) AS DOUBLE)
  ) AS DOUBLE) AS "x"
FROM "healthlib_seen" AS "v"
GROUP BY
  "healthlib_place";

