-- What is looked for every second, or by every submission, is not searched in all that ever was.
CREATE INDEX audit_heads_newest ON audit_heads (epoch, journal, size);
CREATE INDEX requests_deadline ON requests (cancel_at) WHERE finished IS NULL;
CREATE INDEX requests_to_cancel ON requests (id) WHERE finished IS NULL AND cancel_wanted = 1;
CREATE INDEX idempotency_age ON idempotency (created);
