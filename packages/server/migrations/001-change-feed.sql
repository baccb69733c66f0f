-- The change feed: what must be read again. It carries no content and may name too much, never too little.

CREATE TABLE vigie.changes (
  -- Not a serial: serials are not in commit order, so a reader that remembers the last one loses rows.
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  kind text NOT NULL CHECK (kind IN ('user', 'group', 'conversation', 'all')),
  id text CHECK (id IS NOT NULL OR kind = 'all'),
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX changes_xid ON vigie.changes (xid);
COMMENT ON TABLE vigie.changes IS
  'Written by triggers on the membership tables, read by each Vigie node, emptied by them after some minutes.';

-- Security definer with a fixed search path: whoever may write a membership may write it, without any right
-- on schema vigie. Arguments: kind, room column, user column, then further columns whose update counts
-- ('*': every column).
CREATE FUNCTION vigie.note_change() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  named text[] := array_remove(TG_ARGV[1:], '*');
  columns text;
  touched text;
BEGIN
  -- A column that was renamed under the trigger must not make the host's own statement fail.
  IF TG_OP = 'TRUNCATE' OR EXISTS (
    SELECT FROM unnest(named) AS n(name) WHERE NOT EXISTS (
      SELECT FROM pg_attribute WHERE attrelid = TG_RELID AND attname = n.name AND NOT attisdropped
    )
  ) THEN
    INSERT INTO vigie.changes (kind) VALUES ('all');
    RETURN NULL;
  END IF;

  IF TG_OP = 'UPDATE' THEN
    -- Only rows of which something that counts has changed: read marks are often kept in the same table.
    columns := format('r.%I::text AS room, r.%I::text AS member, %s AS state', TG_ARGV[1], TG_ARGV[2],
      CASE WHEN '*' = ANY (TG_ARGV) THEN 'r::text'
        ELSE (SELECT format('ARRAY[%s]::text[]', string_agg(format('r.%I::text', name), ', ' ORDER BY n))
              FROM unnest(named) WITH ORDINALITY AS t(name, n))
      END);
    touched := format(
      '(SELECT %1$s FROM vigie_old AS r EXCEPT ALL SELECT %1$s FROM vigie_new AS r) UNION ALL '
      '(SELECT %1$s FROM vigie_new AS r EXCEPT ALL SELECT %1$s FROM vigie_old AS r)', columns);
  ELSE
    touched := format('SELECT r.%I::text AS room, r.%I::text AS member FROM %s AS r',
      TG_ARGV[1], TG_ARGV[2], CASE TG_OP WHEN 'INSERT' THEN 'vigie_new' ELSE 'vigie_old' END);
  END IF;

  EXECUTE format($sql$
    WITH touched AS MATERIALIZED (%s),
    stale AS MATERIALIZED (
      SELECT kind, id FROM (
        SELECT $1 AS kind, room AS id FROM touched UNION SELECT 'user', member FROM touched
      ) AS ids WHERE id IS NOT NULL LIMIT 1001
    ),
    amount AS (SELECT count(*) AS n FROM stale)
    INSERT INTO vigie.changes (kind, id)
    SELECT kind, id FROM stale, amount WHERE n <= 1000
    UNION ALL SELECT 'all', NULL FROM amount WHERE n > 1000
  $sql$, touched) USING TG_ARGV[0];
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION vigie.note_change() FROM PUBLIC;

-- Attaches the triggers to a table. Where they are already there as wanted it takes no lock and needs no
-- right on the table, so it may run at each start.
--   SELECT vigie.watch_memberships('chat.members', 'conversation', 'room_id', 'account_id', '{deleted_at}');
CREATE FUNCTION vigie.watch_memberships(
  watched regclass, kind text, room_column text, user_column text, further_columns text[] DEFAULT '{}'
) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  arguments text[] := ARRAY[kind, room_column, user_column] || further_columns;
  packed bytea;
  missing text;
  event text;
  transition text;
BEGIN
  IF kind NOT IN ('group', 'conversation') THEN
    RAISE EXCEPTION 'vigie.watch_memberships: kind is %, it must be group or conversation.', quote_literal(kind);
  END IF;
  SELECT name INTO missing FROM unnest(arguments[2:]) AS a(name)
    WHERE name <> '*' AND NOT EXISTS (
      SELECT FROM pg_attribute WHERE attrelid = watched AND attname = name AND attnum > 0 AND NOT attisdropped);
  IF FOUND THEN
    RAISE EXCEPTION 'Table % has no column %.', watched, quote_ident(missing);
  END IF;
  SELECT string_agg(convert_to(argument, getdatabaseencoding()) || '\x00'::bytea, ''::bytea ORDER BY n) INTO packed
    FROM unnest(arguments) WITH ORDINALITY AS a(argument, n);

  FOR event, transition IN SELECT * FROM (VALUES
    ('insert', 'REFERENCING NEW TABLE AS vigie_new'),
    ('update', 'REFERENCING OLD TABLE AS vigie_old NEW TABLE AS vigie_new'),
    ('delete', 'REFERENCING OLD TABLE AS vigie_old'),
    ('truncate', '')) AS e
  LOOP
    CONTINUE WHEN EXISTS (
      SELECT FROM pg_trigger WHERE tgrelid = watched AND tgname = format('vigie_%s_%s', kind, event)
        AND tgargs = packed AND tgenabled <> 'D');
    EXECUTE format(
      'CREATE OR REPLACE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION vigie.note_change(%s)',
      format('vigie_%s_%s', kind, event), event, watched, transition,
      (SELECT string_agg(quote_literal(argument), ', ' ORDER BY n)
       FROM unnest(arguments) WITH ORDINALITY AS a(argument, n)));
  END LOOP;
END
$function$;
