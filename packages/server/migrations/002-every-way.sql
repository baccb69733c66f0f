-- Triggers that hear every way in which rows change: on partitions that are written directly, in sessions with
-- session_replication_role = replica, and from logical replication, whose worker fires row triggers only.

-- For rows that are written one by one where no statement trigger fires, or where none may be: see
-- vigie.wanted_triggers. Arguments as for vigie.note_change. After 1000 rows of a transaction it says 'all' once.
CREATE FUNCTION vigie.note_row_change() RETURNS trigger
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  noted int := coalesce(nullif(current_setting('vigie.noted_rows', true), ''), '0')::int;
  named text[] := array_remove(TG_ARGV[1:], '*');
  state text;
BEGIN
  IF noted > 1000 THEN
    RETURN NULL;
  END IF;
  IF noted = 1000 OR EXISTS (
    SELECT FROM unnest(named) AS n(name) WHERE NOT EXISTS (
      SELECT FROM pg_attribute WHERE attrelid = TG_RELID AND attname = n.name AND NOT attisdropped
    )
  ) THEN
    PERFORM set_config('vigie.noted_rows', '1001', true);
    INSERT INTO vigie.changes (kind) VALUES ('all');
    RETURN NULL;
  END IF;
  IF TG_OP = 'UPDATE' THEN
    state := CASE WHEN '*' = ANY (TG_ARGV) THEN '%s::text'
      ELSE (SELECT format('ARRAY[%s]::text[]', string_agg(format('(%%1$s).%I::text', replace(name, '%', '%%')), ', ' ORDER BY n))
            FROM unnest(named) WITH ORDINALITY AS t(name, n)) END;
    EXECUTE format($sql$
      INSERT INTO vigie.changes (kind, id)
      SELECT DISTINCT ids.kind, ids.id
      FROM (SELECT ($2).*) AS o, (SELECT ($3).*) AS n, LATERAL (
        SELECT $1 AS kind, o.%1$I::text AS id UNION ALL SELECT $1, n.%1$I::text
        UNION ALL SELECT 'user', o.%2$I::text UNION ALL SELECT 'user', n.%2$I::text
      ) AS ids
      WHERE ids.id IS NOT NULL AND %3$s IS DISTINCT FROM %4$s
    $sql$, TG_ARGV[1], TG_ARGV[2], format(state, '$2'), format(state, '$3'))
    USING TG_ARGV[0], OLD, NEW;
  ELSE
    EXECUTE format($sql$
      INSERT INTO vigie.changes (kind, id)
      SELECT ids.kind, ids.id FROM (SELECT ($2).*) AS r, LATERAL (VALUES ($1, r.%I::text), ('user', r.%I::text)) AS ids(kind, id)
      WHERE ids.id IS NOT NULL
    $sql$, TG_ARGV[1], TG_ARGV[2])
    USING TG_ARGV[0], CASE TG_OP WHEN 'INSERT' THEN NEW ELSE OLD END;
  END IF;
  PERFORM set_config('vigie.noted_rows', (noted + 1)::text, true);
  RETURN NULL;
END
$function$;
REVOKE ALL ON FUNCTION vigie.note_row_change() FROM PUBLIC;

-- The triggers that a table wants, on itself, its partitions and the tables that inherit from it; for each, what is
-- wrong with it (null: nothing), and the statements that put it right. It reads the catalog only.
--
-- Statement triggers fire always, also where session_replication_role is replica. A statement fires those of the
-- relation that it names, so each partition has its own. The row trigger is for the worker of logical replication,
-- which fires no statement triggers for rows: it fires in replica sessions only. Partitions have it from their parent.
-- PostgreSQL refuses statements on a table whose statement triggers want to see rows of a foreign partition: such a
-- table has the row trigger alone, for every session.
CREATE FUNCTION vigie.wanted_triggers(
  watched regclass, kind text, room_column text, user_column text, further_columns text[] DEFAULT '{}'
) RETURNS TABLE (relation regclass, trigger_name text, fault text, definition text, mode text)
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
DECLARE
  arguments text[] := ARRAY[kind, room_column, user_column] || further_columns;
  packed bytea;
  listed text;
BEGIN
  SELECT string_agg(convert_to(argument, getdatabaseencoding()) || '\x00'::bytea, ''::bytea ORDER BY n),
    string_agg(quote_literal(argument), ', ' ORDER BY n)
    INTO packed, listed FROM unnest(arguments) WITH ORDINALITY AS a(argument, n);
  RETURN QUERY
  WITH RECURSIVE tree AS (
    SELECT watched::oid AS oid, 0 AS depth
    UNION ALL
    SELECT i.inhrelid, tree.depth + 1 FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.oid WHERE NOT i.inhdetachpending
  ),
  relations AS (
    SELECT c.oid, min(t.depth) AS depth, c.relkind, c.relispartition AND c.oid <> watched::oid AS is_part,
      bool_or(c.relkind = 'f') OVER () AS is_mixed
    FROM tree AS t JOIN pg_class AS c ON c.oid = t.oid GROUP BY c.oid, c.relkind, c.relispartition
  ),
  events AS (
    SELECT * FROM (VALUES
      ('insert', 'INSERT', 'REFERENCING NEW TABLE AS vigie_new FOR EACH STATEMENT', 'note_change'),
      ('update', 'UPDATE', 'REFERENCING OLD TABLE AS vigie_old NEW TABLE AS vigie_new FOR EACH STATEMENT', 'note_change'),
      ('delete', 'DELETE', 'REFERENCING OLD TABLE AS vigie_old FOR EACH STATEMENT', 'note_change'),
      ('truncate', 'TRUNCATE', 'FOR EACH STATEMENT', 'note_change'),
      ('row', 'INSERT OR UPDATE OR DELETE', 'FOR EACH ROW', 'note_row_change')
    ) AS e(event, operations, scope, noting)
  ),
  wanted AS (
    SELECT r.oid, r.depth, format('vigie_%s_%s', kind, e.event) AS name, e.event, e.operations, e.scope,
      to_regprocedure(format('vigie.%I()', e.noting))::oid AS noting,
      CASE WHEN e.event = 'row' AND NOT r.is_mixed THEN 'R' ELSE 'A' END AS firing,
      e.event = 'row' AND r.is_part AS is_inherited,
      r.is_mixed AND e.event IN ('insert', 'update', 'delete') AS is_unwanted
    FROM relations AS r CROSS JOIN events AS e
    WHERE r.relkind IN ('r', 'p') OR (r.relkind = 'f' AND e.event = 'row')
  ),
  found AS (
    SELECT w.*, t.oid IS NOT NULL AS is_there, t.tgenabled::text AS enabled,
      t.tgargs = packed AND t.tgfoid = w.noting AS is_right
    FROM wanted AS w LEFT JOIN pg_trigger AS t ON t.tgrelid = w.oid AND t.tgname = w.name
  )
  SELECT f.oid::regclass, f.name,
    CASE
      WHEN f.is_unwanted THEN CASE WHEN f.is_there THEN 'makes statements fail because of a foreign partition' END
      WHEN NOT f.is_there THEN 'is missing'
      WHEN NOT f.is_right THEN 'is for other columns'
      WHEN f.enabled = 'D' THEN 'is disabled'
      WHEN f.enabled <> f.firing THEN 'does not fire for replicated rows'
    END,
    CASE
      WHEN f.is_unwanted THEN format('DROP TRIGGER %I ON %s', f.name, f.oid::regclass)
      WHEN f.is_inherited OR (f.is_there AND f.is_right) THEN NULL
      ELSE format('CREATE OR REPLACE TRIGGER %I AFTER %s ON %s %s EXECUTE FUNCTION %s(%s)',
        f.name, f.operations, f.oid::regclass, f.scope, f.noting::regproc, listed)
    END,
    CASE WHEN NOT f.is_unwanted
      THEN format('ALTER TABLE %s ENABLE %s TRIGGER %I', f.oid::regclass, CASE f.firing WHEN 'R' THEN 'REPLICA' ELSE 'ALWAYS' END, f.name)
    END
  FROM found AS f ORDER BY f.depth, f.oid, f.event;
END
$function$;

-- What the recurring look compares: what kind of relation it is, what is wrong with its triggers, and a digest of
-- all that lets rows change unheard when it changes: the table itself, its partitions, its triggers (also when they were
-- disabled and enabled again), and the file of a materialized view, which a refresh replaces.
CREATE FUNCTION vigie.look(
  watched regclass, kind text, room_column text, user_column text, further_columns text[] DEFAULT '{}'
) RETURNS TABLE (relation_kind text, faults json, digest text)
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
AS $function$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH RECURSIVE tree AS (
    SELECT watched::oid AS oid, ''::text AS link
    UNION ALL
    SELECT i.inhrelid, i.xmin::text FROM pg_inherits AS i JOIN tree ON i.inhparent = tree.oid WHERE NOT i.inhdetachpending
  )
  SELECT (SELECT c.relkind::text FROM pg_class AS c WHERE c.oid = watched),
    (SELECT json_agg(json_build_array(w.relation::text, w.trigger_name, w.fault))
      FROM vigie.wanted_triggers(watched, kind, room_column, user_column, further_columns) AS w WHERE w.fault IS NOT NULL),
    (SELECT md5(string_agg(concat_ws(' ', t.oid, t.link, CASE c.relkind WHEN 'm' THEN c.relfilenode END,
        (SELECT string_agg(concat_ws(':', g.oid, g.xmin, g.tgenabled), ',' ORDER BY g.oid)
         FROM pg_trigger AS g WHERE g.tgrelid = t.oid AND starts_with(g.tgname, format('vigie_%s_', kind)))), ';' ORDER BY t.oid))
      FROM tree AS t JOIN pg_class AS c ON c.oid = t.oid);
END
$function$;

-- As before it attaches the triggers, takes no lock where they are already there as wanted, and needs no right on the
-- table then. A role that may create triggers and does not own the table gets all but the firing for replicated rows,
-- which the log of each Vigie says.
CREATE OR REPLACE FUNCTION vigie.watch_memberships(
  watched regclass, kind text, room_column text, user_column text, further_columns text[] DEFAULT '{}'
) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  missing text;
  wanted record;
BEGIN
  IF kind NOT IN ('group', 'conversation') THEN
    RAISE EXCEPTION 'vigie.watch_memberships: kind is %, it must be group or conversation.', quote_literal(kind);
  END IF;
  SELECT name INTO missing FROM unnest(ARRAY[room_column, user_column] || further_columns) AS a(name)
    WHERE name <> '*' AND NOT EXISTS (
      SELECT FROM pg_attribute WHERE attrelid = watched AND attname = name AND attnum > 0 AND NOT attisdropped);
  IF FOUND THEN
    RAISE EXCEPTION 'Table % has no column %.', watched, quote_ident(missing);
  END IF;
  IF (SELECT relkind NOT IN ('r', 'p') FROM pg_class WHERE oid = watched) THEN
    RAISE NOTICE 'Vigie cannot hear changes of %, which is no ordinary table.', watched;
    RETURN;
  END IF;
  FOR wanted IN
    SELECT * FROM vigie.wanted_triggers(watched, kind, room_column, user_column, further_columns) AS w WHERE w.fault IS NOT NULL
  LOOP
    IF wanted.definition IS NOT NULL THEN
      EXECUTE wanted.definition;
    END IF;
    BEGIN
      IF wanted.mode IS NOT NULL THEN
        EXECUTE wanted.mode;
      END IF;
    EXCEPTION WHEN insufficient_privilege THEN
      IF wanted.fault = 'is disabled' THEN
        RAISE;
      END IF;
      RAISE NOTICE 'Trigger % of % does not fire for replicated rows: only the owner of the table may say so.',
        wanted.trigger_name, wanted.relation;
    END;
  END LOOP;
END
$function$;
