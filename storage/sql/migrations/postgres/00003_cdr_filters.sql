-- +goose Up

-- Records are always read by rising sequence, so every index ends in it: a filtered page is one walk along one index.
CREATE INDEX cdrs_call ON cdrs (call_id);
CREATE INDEX cdrs_caller ON cdrs (caller, sequence);
CREATE INDEX cdrs_callee ON cdrs (callee, sequence);
CREATE INDEX cdrs_ingress_trunk ON cdrs (ingress_trunk_id, sequence);
CREATE INDEX cdrs_egress_trunk ON cdrs (egress_trunk_id, sequence);
CREATE INDEX cdrs_started_at ON cdrs (started_at);

-- +goose Down
DROP INDEX cdrs_started_at;
DROP INDEX cdrs_egress_trunk;
DROP INDEX cdrs_ingress_trunk;
DROP INDEX cdrs_callee;
DROP INDEX cdrs_caller;
DROP INDEX cdrs_call;
