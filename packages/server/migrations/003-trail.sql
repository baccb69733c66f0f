-- The audit trail: what happened to whose presence, and why. Rows are added and never changed. See docs/decisions/audit-trail.md.

CREATE TABLE vigie.trail (
  -- The day of `at` in UTC.
  day date NOT NULL,
  -- A start of a node.
  boot uuid NOT NULL,
  -- Counts from 1 within the boot: a batch that is written twice adds nothing the second time.
  position bigint NOT NULL,
  -- Never before that of the position before it.
  at timestamptz NOT NULL,
  kind text NOT NULL,
  state text,
  reason text,
  -- What is personal. An erasure empties these, and the salt, and leaves the commitment.
  user_id text,
  session_id text,
  device text,
  groups text[],
  conversations text[],
  detail text,
  salt bytea,
  commitment bytea NOT NULL,
  -- Of the hash before it in the same boot and day, and of this row.
  hash bytea NOT NULL,
  PRIMARY KEY (day, boot, position)
) PARTITION BY RANGE (day);
CREATE INDEX trail_user ON vigie.trail (user_id, at) WHERE user_id IS NOT NULL;
CREATE INDEX trail_rooms ON vigie.trail USING gin (conversations, groups) WHERE kind = 'rooms';
-- Few rows: what tells of nodes, of checkpoints and of holes.
CREATE INDEX trail_boot ON vigie.trail (kind, boot, position)
  WHERE kind IN ('start', 'stop', 'death', 'hole', 'checkpoint', 'alive');
COMMENT ON TABLE vigie.trail IS
  'The audit trail of Vigie, one partition a day. Rows are added, and neither changed nor deleted; retention drops partitions.';

-- Which rows an erasure has emptied: others without a salt were tampered with.
CREATE TABLE vigie.trail_erasures (
  erasure uuid NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  day date NOT NULL,
  boot uuid NOT NULL,
  positions bigint[] NOT NULL,
  PRIMARY KEY (erasure, day, boot)
);
COMMENT ON TABLE vigie.trail_erasures IS 'Rows of vigie.trail from which one person was erased. It does not say whom.';

-- Also for the owner of the table, who needs no right: a mistake is refused. What is done on purpose shows in the chain. All
-- that an erasure may change is that a row is emptied.
CREATE FUNCTION vigie.refuse_trail_change() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
BEGIN
  IF TG_OP = 'UPDATE' AND current_setting('vigie.erasing', true) = 'yes' THEN
    IF num_nonnulls(NEW.user_id, NEW.session_id, NEW.device, NEW.groups, NEW.conversations, NEW.detail, NEW.salt) = 0
      AND (NEW.day, NEW.boot, NEW.position, NEW.at, NEW.kind, NEW.state, NEW.reason, NEW.commitment, NEW.hash)
        IS NOT DISTINCT FROM (OLD.day, OLD.boot, OLD.position, OLD.at, OLD.kind, OLD.state, OLD.reason, OLD.commitment, OLD.hash)
    THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION 'The audit trail is not changed: rows of vigie.trail are neither updated nor deleted.'
    USING ERRCODE = 'insufficient_privilege';
END $function$;
CREATE TRIGGER trail_unchanged BEFORE UPDATE OR DELETE ON vigie.trail
  FOR EACH ROW EXECUTE FUNCTION vigie.refuse_trail_change();
CREATE TRIGGER trail_not_truncated BEFORE TRUNCATE ON vigie.trail
  FOR EACH STATEMENT EXECUTE FUNCTION vigie.refuse_trail_change();

-- Adds all rows, or none: one that is there already is left as it is, and one in whose place somebody has written
-- another (the end of a boot that was taken for dead) refuses all. The caller needs to be allowed to insert.
CREATE FUNCTION vigie.write_trail(rows json) RETURNS bigint
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  added bigint;
BEGIN
  INSERT INTO vigie.trail (day, boot, position, at, kind, state, reason, user_id, session_id, device, groups,
    conversations, detail, salt, commitment, hash)
  SELECT day, boot, position, to_timestamp(at / 1000.0), kind, state, reason, "userId", "sessionId", device, groups,
    conversations, detail, decode(salt, 'hex'), decode(commitment, 'hex'), decode(hash, 'hex')
  FROM json_to_recordset(rows) AS r(day date, boot uuid, position bigint, at bigint, kind text, state text,
    reason text, "userId" text, "sessionId" text, device text, groups text[], conversations text[], detail text,
    salt text, commitment text, hash text)
  ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  IF added < json_array_length(rows) AND EXISTS (
    SELECT FROM json_to_recordset(rows) AS r(day date, boot uuid, position bigint, hash text)
    JOIN vigie.trail AS t USING (day, boot, position) WHERE t.hash <> decode(r.hash, 'hex'))
  THEN
    RAISE EXCEPTION 'Somebody else has written a row of this boot into the audit trail.' USING ERRCODE = 'VT001';
  END IF;
  RETURN added;
END $function$;

-- Rights that default privileges have given on a partition: all that is done is done by way of vigie.trail.
CREATE FUNCTION vigie.close_trail_day(partition regclass) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  other record;
BEGIN
  FOR other IN
    SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS name
    FROM pg_class AS c, aclexplode(c.relacl) AS a WHERE c.oid = partition AND a.grantee <> c.relowner
  LOOP
    EXECUTE format('REVOKE ALL ON %s FROM %s', partition, other.name);
  END LOOP;
END $function$;

-- Security definer: the server's role may add a partition and rows, and nothing else. Nobody but the owner gets a right on the
-- partition itself.
CREATE FUNCTION vigie.make_trail_day(wanted date) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $function$
DECLARE
  name text := 'trail_' || to_char(wanted, 'YYYYMMDD');
BEGIN
  IF to_regclass('vigie.' || name) IS NOT NULL THEN RETURN; END IF;
  PERFORM pg_advisory_xact_lock(1986619241, 3);
  IF to_regclass('vigie.' || name) IS NOT NULL THEN RETURN; END IF;
  IF wanted NOT BETWEEN current_date - 8 AND current_date + 8 THEN
    RAISE EXCEPTION 'A day of the audit trail is made within eight days of it, not for %.', wanted;
  END IF;
  EXECUTE format('CREATE TABLE vigie.%I PARTITION OF vigie.trail FOR VALUES FROM (%L) TO (%L)', name, wanted, wanted + 1);
  EXECUTE format('CREATE TRIGGER trail_not_truncated BEFORE TRUNCATE ON vigie.%I '
    'FOR EACH STATEMENT EXECUTE FUNCTION vigie.refuse_trail_change()', name);
  PERFORM vigie.close_trail_day(format('vigie.%I', name)::regclass);
END $function$;
REVOKE ALL ON FUNCTION vigie.make_trail_day(date) FROM PUBLIC;
