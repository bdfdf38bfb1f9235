//go:build e2e

package sqlstore_test

import (
	"sync"
	"testing"
	"time"

	"symbolon/internal/store/postgres"
	"symbolon/internal/store/postgres/pgtest"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// A grant that another verb has in its hands waits alone: no rotation that shares its statement waits with it.
func TestLockedGrantHoldsUpNobody(t *testing.T) {
	server, err := pgtest.Start("fsync=off")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := server.Create("locked"); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), postgres.Options{Address: server.URL("locked"), Migrations: sqlstore.Postgres()})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	now := time.Now()
	const grants = 20
	err = db.Write(t.Context(), func(tx sqlstore.Tx) error {
		_, err := tx.Exec(`INSERT INTO grants (nonce, account_id, service, kind, label, scope, subject, generation, issued_at, expires_at,
			revoked_reason, answer_lost, preview, use_count, addr, agent)
			SELECT n, 1, 'samples', 'pair', '', '', '1', 0, $1, $2, '', 0, '', 0, '', '' FROM generate_series(1, $3) n`,
			now.UnixMilli(), now.Add(time.Hour).UnixMilli(), grants)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	s := sqlstore.New(db, nil, time.Now)
	rotate := func(grant int64) {
		v := token.RotateVerb{Now: now, Service: "samples", Grant: grant, Nonce: grant, Lifetime: time.Hour, Window: time.Minute, Replay: token.RefuseReplay}
		if r, err := s.Rotate(t.Context(), v); err != nil || r.Outcome != token.RotatedNow {
			t.Errorf("grant %d: %q, %v", grant, r.Outcome, err)
		}
	}
	var locked, others sync.WaitGroup
	err = db.Write(t.Context(), func(tx sqlstore.Tx) error {
		var id int64
		if err := tx.QueryRow("SELECT id FROM grants WHERE id = 1 FOR UPDATE").Scan(&id); err != nil {
			return err
		}
		locked.Go(func() { rotate(id) })
		for grant := id + 1; grant <= grants; grant++ {
			others.Go(func() { rotate(grant) })
			time.Sleep(time.Millisecond) // so that some come alone and some together
		}
		others.Wait() // else for ever, if lock_timeout did not end what waits
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	locked.Wait()
}
