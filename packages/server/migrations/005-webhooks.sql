-- Webhooks are sent from the audit trail: it is their queue. Here is how far each endpoint has come, and what is on its way to it.

-- One server sends at a time: the holder of the only row.
CREATE TABLE vigie.webhook_lease (
  id integer PRIMARY KEY CHECK (id = 1),
  holder uuid NOT NULL,
  until timestamptz NOT NULL
);
COMMENT ON TABLE vigie.webhook_lease IS 'Which server sends webhooks, and until when nobody else does.';

-- How far each endpoint has come in each boot of the trail.
CREATE TABLE vigie.webhook_positions (
  endpoint text NOT NULL,
  boot uuid NOT NULL,
  day date NOT NULL,
  -- Facts up to this one are in `webhook_deliveries`, or were delivered.
  position bigint NOT NULL,
  -- The boot has ended: no fact follows.
  ended boolean NOT NULL,
  PRIMARY KEY (endpoint, boot)
);
COMMENT ON TABLE vigie.webhook_positions IS 'How far each webhook endpoint has come in vigie.trail.';

-- What was read from the trail and not delivered yet: a window of bounded size, and dead letters.
CREATE TABLE vigie.webhook_deliveries (
  endpoint text NOT NULL,
  -- In the order of events of this endpoint.
  sequence bigint NOT NULL,
  -- The `webhook-id`: the same at each attempt.
  id text NOT NULL UNIQUE,
  -- Whom the event is about; null: it is about a conversation.
  user_id text,
  conversation_id text,
  at timestamptz NOT NULL,
  -- The request, as it is signed.
  body text NOT NULL,
  attempts integer NOT NULL,
  next_at timestamptz NOT NULL,
  -- Why the last attempt failed.
  failure text,
  -- Set after the last attempt: a dead letter.
  dead_at timestamptz,
  -- Somebody asked for it to be sent again; the server that sends takes it up.
  resend_at timestamptz,
  PRIMARY KEY (endpoint, sequence)
);
CREATE INDEX webhook_dead ON vigie.webhook_deliveries (dead_at) WHERE dead_at IS NOT NULL;
CREATE INDEX webhook_user ON vigie.webhook_deliveries (user_id) WHERE user_id IS NOT NULL;
COMMENT ON TABLE vigie.webhook_deliveries IS
  'Webhooks that are not delivered yet, and those that could not be (dead letters). A delivered one is deleted.';

-- The number of the last event of each endpoint: it outlives the deliveries.
CREATE TABLE vigie.webhook_endpoints (
  endpoint text PRIMARY KEY,
  sequence bigint NOT NULL
);
COMMENT ON TABLE vigie.webhook_endpoints IS 'Webhook endpoints that have been sent to; a new one begins with the facts of its first start.';
