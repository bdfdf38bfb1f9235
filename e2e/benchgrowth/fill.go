//go:build e2e

package main

import (
	"database/sql"
	"fmt"
	"time"
)

// maxGrants is where the nonces that fill gives would no longer fit.
const maxGrants = 10_000_000

// nonceOf is the nonce of a grant that fill made: 64 bits, but for a few, as a real one has.
func nonceOf(grant int) int64 { return int64(grant) * (1 << 63 / (maxGrants + 1)) }

// portion is how many rows one transaction inserts.
const portion = 250_000

// numbered is a table of numbers, in words that both stores know.
const numbered = `WITH RECURSIVE n(i) AS (SELECT CAST(%d AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i < %d) `

// generation is that of a filled grant. It has been refreshed before, since the first refresh of a grant fills columns that
// were empty, and no more than once a grant makes its row longer.
const generation = 2

// Every row is like one that our own verbs make. Grants whose number ends in 0 are revoked.
var fillings = []struct {
	per  int // grants for each row
	text string
}{
	{5, `INSERT INTO accounts (id, name, name_key, type, status, display, email, password_hash, created_at, updated_at) ` + numbered +
		`SELECT i, 'person-' || i, 'person-' || i, 'person', 'active', '', '', '', %[3]d, %[3]d FROM n`},
	{5, `INSERT INTO subjects (service, subject, account_id, created_at, joined) ` + numbered +
		`SELECT 'samples', CAST(i AS TEXT), i, %[3]d, 0 FROM n`},
	{1, `INSERT INTO grants (id, nonce, account_id, service, kind, label, scope, subject, generation, issued_at, rotated_at, rotated_by,
			expires_at, dead_at, revoked_at, revoked_reason, answer_lost, preview, use_count, last_used_at, addr, last_addr, agent) ` + numbered +
		`SELECT i, i * %[5]d, (i - 1) / 5 + 1, 'samples', 'pair', 'bench', '', CAST((i - 1) / 5 + 1 AS TEXT), %[6]d, %[3]d, %[3]d, 2,
			%[4]d, %[4]d, CASE WHEN i %% 10 = 0 THEN %[3]d END, '', 0, '', 2, %[3]d, '127.0.0.1', '127.0.0.1', 'bench' FROM n`},
}

// fill inserts what is missing between two numbers of grants. With revoked false none of them is.
func fill(e engine, database string, have, want int, revoked bool) error {
	db, _, err := e.open(database)
	if err != nil {
		return err
	}
	defer db.Close()
	done, err := e.filling(db)
	if err != nil {
		return err
	}
	for _, f := range fillings {
		for from := have / f.per; from < want/f.per; from += portion {
			if err := insert(db, f.text, from+1, min(from+portion, want/f.per)); err != nil {
				return err
			}
		}
	}
	if !revoked {
		if _, err := db.Exec("UPDATE grants SET revoked_at = NULL"); err != nil {
			return err
		}
	}
	return done()
}

func insert(db *sql.DB, text string, first, last int) error {
	now := time.Now()
	if _, err := db.Exec(fmt.Sprintf(text, first, last, now.UnixMilli(), now.AddDate(0, 0, 20).UnixMilli(), nonceOf(1), generation)); err != nil {
		return fmt.Errorf("inserting rows %d to %d: %w", first, last, err)
	}
	return nil
}
