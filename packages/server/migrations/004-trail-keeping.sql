-- How long the audit trail is kept, and the erasure of one person. Both are done by functions that only a role of their
-- own may call (see the option `trail` of `migrate`). See docs/privacy.md.

-- Days that retention has dropped: rows that are missing elsewhere were deleted.
CREATE TABLE vigie.trail_drops (
  day date PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE vigie.trail_drops IS 'Days of vigie.trail that were dropped because they were older than the trail is kept.';

-- What was asked for last, and when: `vigie doctor` finds a retention that nobody runs.
CREATE TABLE vigie.trail_keeping (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- Null: for ever.
  days integer CHECK (days >= 1),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE vigie.trail_keeping IS 'For how many days vigie.trail is kept, and when older days were last dropped.';

CREATE INDEX trail_erasures_day ON vigie.trail_erasures (day, boot);
-- Few rows: what may name a person elsewhere than in user_id.
CREATE INDEX trail_acts ON vigie.trail (boot, position) WHERE kind = 'act';
CREATE INDEX trail_nameless_sessions ON vigie.trail (session_id) WHERE user_id IS NULL AND session_id IS NOT NULL;

-- The days that there are partitions for, the oldest first.
CREATE FUNCTION vigie.trail_days() RETURNS TABLE (day date, partition regclass)
  -- The bounds are shown as the session shows dates.
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD'
AS $function$
  SELECT substring(pg_get_expr(c.relpartbound, c.oid) FROM $$FROM \('(\d{4}-\d\d-\d\d)'\)$$)::date AS day, c.oid::regclass
  FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
  WHERE i.inhparent = to_regclass('vigie.trail') AND NOT i.inhdetachpending
  ORDER BY day
$function$;

-- The sessions of one person, of all days: rows that name a session and no user may be on a day without any other of theirs.
CREATE FUNCTION vigie.trail_sessions_of(who text) RETURNS text[]
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
  SELECT coalesce(array_agg(DISTINCT t.session_id), '{}') FROM vigie.trail AS t WHERE t.user_id = who AND t.session_id IS NOT NULL
$function$;

-- The rows of a day that tell of one person: their own, those of their sessions, and acts that name them in their detail.
CREATE FUNCTION vigie.trail_rows_of(who text, sessions text[], wanted date) RETURNS TABLE (boot uuid, "position" bigint)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
  SELECT t.boot, t.position FROM vigie.trail AS t WHERE t.day = wanted AND t.user_id = who
  UNION
  SELECT t.boot, t.position FROM vigie.trail AS t
  WHERE t.day = wanted AND t.user_id IS NULL AND t.session_id IS NOT NULL AND t.session_id = ANY (sessions)
  UNION
  SELECT t.boot, t.position FROM vigie.trail AS t
  WHERE t.day = wanted AND t.kind = 'act' AND strpos(t.detail, to_json(who)::text) > 0
$function$;

-- Drops whole days. A writer that waits behind this for its lock keeps its facts in memory meanwhile, but not for long.
CREATE FUNCTION vigie.drop_trail_before(wanted date) RETURNS SETOF date
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s'
AS $function$
DECLARE
  each record;
BEGIN
  IF wanted IS NULL OR wanted > (clock_timestamp() AT TIME ZONE 'UTC')::date THEN
    RAISE EXCEPTION 'Only days that are over can be dropped from the audit trail: % is too late.', coalesce(wanted::text, 'nothing');
  END IF;
  -- The same lock as vigie.make_trail_day.
  PERFORM pg_advisory_xact_lock(1986619241, 3);
  FOR each IN SELECT d.day, d.partition FROM vigie.trail_days() AS d WHERE d.day < wanted LOOP
    EXECUTE format('DROP TABLE %s', each.partition);
    INSERT INTO vigie.trail_drops (day) VALUES (each.day) ON CONFLICT (day) DO UPDATE SET at = excluded.at;
    DELETE FROM vigie.trail_erasures AS e WHERE e.day = each.day;
    RETURN NEXT each.day;
  END LOOP;
END $function$;

-- Keeps this many whole days before today, in UTC; null: all. It is to be called once a day.
CREATE FUNCTION vigie.keep_trail(days integer) RETURNS SETOF date
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  IF days < 1 THEN
    RAISE EXCEPTION 'The audit trail is kept for 1 day or more, not for %.', days;
  END IF;
  IF days IS NOT NULL THEN
    RETURN QUERY SELECT vigie.drop_trail_before((clock_timestamp() AT TIME ZONE 'UTC')::date - days);
  END IF;
  INSERT INTO vigie.trail_keeping AS k (days) VALUES (keep_trail.days)
    ON CONFLICT (is_only) DO UPDATE SET days = excluded.days, at = excluded.at;
END $function$;

-- Empties all rows that tell of one person, and lists them. The commitments stay, and with them the chain. What is on its way to
-- webhooks about that person goes as well: the next migration makes its table.
CREATE FUNCTION vigie.erase_from_trail(who text) RETURNS TABLE (erasure uuid, day date, row_count bigint)
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
  this uuid := gen_random_uuid();
  sessions text[];
  each date;
BEGIN
  IF coalesce(who, '') = '' THEN
    RAISE EXCEPTION 'An erasure needs the id of a user.';
  END IF;
  DELETE FROM vigie.webhook_deliveries AS d WHERE d.user_id = who;
  sessions := vigie.trail_sessions_of(who);
  PERFORM set_config('vigie.erasing', 'yes', true);
  FOR each IN SELECT d.day FROM vigie.trail_days() AS d LOOP
    WITH emptied AS (
      UPDATE vigie.trail AS t
      SET user_id = NULL, session_id = NULL, device = NULL, groups = NULL, conversations = NULL, detail = NULL, salt = NULL
      FROM vigie.trail_rows_of(who, sessions, each) AS r
      WHERE t.day = each AND t.boot = r.boot AND t.position = r.position
      RETURNING t.boot, t.position
    )
    INSERT INTO vigie.trail_erasures (erasure, day, boot, positions)
    SELECT this, each, e.boot, array_agg(e.position ORDER BY e.position) FROM emptied AS e GROUP BY e.boot;
  END LOOP;
  PERFORM set_config('vigie.erasing', '', true);
  RETURN QUERY SELECT e.erasure, e.day, sum(cardinality(e.positions))::bigint
    FROM vigie.trail_erasures AS e WHERE e.erasure = this GROUP BY e.erasure, e.day ORDER BY e.day;
END $function$;

REVOKE ALL ON FUNCTION vigie.drop_trail_before(date), vigie.keep_trail(integer), vigie.erase_from_trail(text) FROM PUBLIC;
