package storetest

import (
	"fmt"
	"strings"
	"sync"

	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var loadTests = map[string]func(*kit){"StartReadsNoAccounts": startReadsNoAccounts}

// A start reads what is revoked by an index, and no account: it takes no longer because there are more of them.
func startReadsNoAccounts(k *kit) {
	var ended []int64
	for i := range 40 {
		ada := k.person(name("ada", i))
		g := k.issue(token.Session, "ecology", ada)
		if i%10 == 0 {
			k.revoke(token.RevokeVerb{Grant: g.ID})
			ended = append(ended, g.ID)
		}
	}
	var mu sync.Mutex
	var asked []string
	k.failWith(func(op string) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, op)
		return nil
	})
	loaded := 0
	at, err := k.Load(ctx, func(e token.Entry) {
		if e.Kind == token.EntryGrant {
			loaded++
		}
	})
	k.must(err)
	_, _, err = k.Start(ctx, k.now(), map[string]string{"samples": "none"})
	k.must(err)
	_, _, err = k.Since(ctx, at.Seq, 0)
	k.must(err)
	_, err = k.Lost(ctx)
	k.must(err)
	k.failWith(nil)
	equal(k, "grants loaded", loaded, len(ended))
	explained := 0
	for _, op := range asked {
		statement, ok := strings.CutPrefix(op, "query ")
		for _, table := range []string{"accounts", "identities", "subjects", "members", "attrs", "audit"} {
			if strings.Contains(op, " "+table) {
				k.Errorf("a start reads %s: %s", table, op)
			}
		}
		if !ok || !strings.Contains(statement, "FROM grants") {
			continue
		}
		explained++
		if plan := k.plan(statement); !strings.Contains(plan, "grants_revoked") && !strings.Contains(plan, "grants_stale") {
			k.Errorf("a start reads more grants than it must: %s\n%s", statement, plan)
		}
	}
	if explained < 2 {
		k.Errorf("%d statements about grants were seen, want those for revoked and stale ones: the test shows too little", explained)
	}
}

// plan is how the engine runs a statement without parameters.
func (k *kit) plan(statement string) string {
	k.Helper()
	var all strings.Builder
	k.must(k.engine.Raw(k.Store, func(tx sqlstore.Tx) error {
		lines, err := readRows(tx, k.engine.Explain+statement)
		for _, l := range lines {
			fmt.Fprintln(&all, l)
		}
		return err
	}))
	return all.String()
}
