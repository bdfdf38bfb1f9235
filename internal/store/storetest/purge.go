package storetest

import (
	"math/rand/v2"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var purgeTests = map[string]func(*kit){
	"PurgeKeepsWhatIsNeeded": purgeKeepsWhatIsNeeded,
	"PurgeByBatch":           purgeByBatch,
	"PurgeTrims":             purgeTrims,
	"PurgeDeletedPerson":     purgeDeletedPerson,
	"PurgeForgetsAddresses":  purgeForgetsAddresses,
}

// purgeAll purges from the first grant to the last.
func (k *kit) purgeAll() (removed int) {
	k.Helper()
	cursor := int64(0)
	for {
		next, n, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Cursor: cursor, Batch: 7, Retention: token.Retention{AuditKeep: 400 * day}})
		k.must(err)
		removed += n
		if next == 0 {
			return removed
		}
		if next <= cursor {
			k.Fatalf("cursor went from %d to %d", cursor, next)
		}
		cursor = next
	}
}

// minted is what a test knows of the tokens of one grant.
type minted struct {
	grant token.Grant
	last  time.Time // end of the longest-lived token; zero: it has none
}

// Whatever happens, a grant from which a valid token may be about is there, with its revocation.
func purgeKeepsWhatIsNeeded(k *kit) {
	seed := rand.Uint64()
	k.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	ada := k.robot("ada")
	var all []*minted
	removed := 0
	for range 400 {
		switch n := r.IntN(10); {
		case n < 3:
			all = append(all, k.mintSomething(r, ada))
		case n < 5 && len(all) > 0:
			k.rotateSomething(all[r.IntN(len(all))], r)
		case n < 7 && len(all) > 0:
			k.revokeSomething(all[r.IntN(len(all))])
		case n < 9:
			k.pass(time.Duration(r.Int64N(int64(4*day))) - day/2)
		default:
			removed += k.purgeAll()
			k.needed(all)
		}
	}
	if removed == 0 {
		k.Error("nothing was ever purged: the test shows nothing")
	}
	k.pass(100 * day)
	k.purgeAll()
	k.needed(all)
	for _, m := range all {
		if _, err := k.Grant(ctx, m.grant.ID); !m.last.IsZero() && token.CodeOf(err) != token.NotFound {
			k.Errorf("grant %d of %s, ended at %s, is still there", m.grant.ID, m.grant.Kind, m.last)
		}
	}
}

// revokeSomething ends a grant. An application token that is not on the list is refused, so its row need not stay.
func (k *kit) revokeSomething(m *minted) {
	_, err := k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: m.grant.ID})
	switch {
	case err != nil:
		k.refused(err, token.NotFound)
	case m.grant.Kind == token.Application && m.last.IsZero():
		m.last = k.now()
	}
}

func (k *kit) needed(all []*minted) {
	k.Helper()
	for _, m := range all {
		if !m.last.IsZero() && k.now().After(m.last) {
			continue
		}
		if _, err := k.Grant(ctx, m.grant.ID); err != nil {
			k.Fatalf("grant %d of %s, needed until %s, is gone at %s", m.grant.ID, m.grant.Kind, m.last, k.now())
		}
	}
}

func (k *kit) mintSomething(r *rand.Rand, account int64) *minted {
	switch r.IntN(5) {
	case 0: // refreshed without the store up to the cap
		v := k.verb(token.Session, "ecology", account)
		v.Grant.ExpiresAt = k.now().Add(8 * time.Hour)
		return &minted{k.issueVerb(v).Grant, v.Grant.Cap}
	case 4: // and without a cap, for ever
		v := k.verb(token.Session, "ecology", account)
		v.Grant.Cap = time.Time{}
		return &minted{k.issueVerb(v).Grant, time.Time{}}
	case 1:
		return &minted{k.issue(token.Application, "samples", account), time.Time{}}
	case 2:
		g := k.issue(token.APIKey, "", account)
		return &minted{g, g.ExpiresAt}
	}
	g := k.issue(token.Session, "samples", account)
	return &minted{g, g.ExpiresAt}
}

func (k *kit) rotateSomething(m *minted, r *rand.Rand) {
	if m.grant.Service != "samples" || m.grant.Kind != token.Session {
		return
	}
	v := k.present(m.grant, m.grant.Generation)
	v.Lifetime = time.Duration(1+r.IntN(30)) * day
	out := k.rotateVerb(v)
	if out.Outcome != token.RotatedNow {
		return
	}
	m.grant = out.Grant
	if out.Grant.ExpiresAt.After(m.last) {
		m.last = out.Grant.ExpiresAt
	}
}

func purgeByBatch(k *kit) {
	ada := k.person("ada")
	for range 20 {
		k.issue(token.Session, "samples", ada)
	}
	k.pass(31 * day)
	kept := k.issue(token.Session, "samples", ada)
	next, removed, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Batch: 5, Retention: token.Retention{AuditKeep: day}})
	k.must(err)
	equal(k, "removed in one batch", removed, 5)
	equal(k, "next cursor", next, 5)
	equal(k, "removed in the rest", k.purgeAll(), 15)
	all, err := k.List(ctx, token.Filter{})
	k.must(err)
	if len(all) != 1 || all[0].ID != kept.ID {
		k.Errorf("left %+v, want grant %d alone", all, kept.ID)
	}
	next, _, err = k.Purge(ctx, token.PurgeVerb{Now: k.now(), Batch: 5, Retention: token.Retention{AuditKeep: day}})
	k.must(err)
	equal(k, "cursor after a batch that is not full", next, 0)
	if g := k.issue(token.Session, "samples", ada); g.ID <= kept.ID {
		k.Errorf("next grant is %d, want more than %d", g.ID, kept.ID)
	}
}

func purgeTrims(k *kit) {
	ada := k.person("ada")
	g := k.issue(token.Session, "ecology", ada)
	k.must(k.Failed(ctx, by, "key", ada, k.now(), time.Hour))
	k.revoke(token.RevokeVerb{Account: ada})
	old := k.entries()
	trim := func() {
		k.Helper()
		_, _, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Batch: 100, Retention: token.Retention{AuditKeep: 5 * day}})
		k.must(err)
	}
	trim()
	equal(k, "feed at once", len(k.entries()), 2)
	equal(k, "loaded at once", len(k.load()), 2)
	k.pass(33 * time.Hour)
	trim()
	equal(k, "loaded within a day of the cut-off's end", len(k.load()), 2)
	k.pass(time.Hour)
	trim()
	equal(k, "loaded after it", len(k.load()), 1)
	k.pass(6 * day)
	trim()
	equal(k, "audit lines", k.lines(audit.Issued, g.ID), 0)
	equal(k, "state", k.grant(g.ID).State(k.now()), "revoked")
	last := old[len(old)-1].Seq
	entries, at, err := k.Since(ctx, 0, 0) // behind what was trimmed: load again
	k.must(err)
	equal(k, "entries", len(entries), 0)
	equal(k, "position", at, token.Position{})
	_, at, err = k.Since(ctx, last, 0)
	k.must(err)
	equal(k, "position of who had followed", at, token.Position{Epoch: 1, Seq: last})
	k.revoke(token.RevokeVerb{Account: ada})
	entries, _, err = k.Since(ctx, last, 0)
	k.must(err)
	if len(entries) != 1 || entries[0].Seq != last+1 {
		k.Errorf("entries after trimming are %+v, want one numbered %d", entries, last+1)
	}
	entries, at, err = k.Since(ctx, last-1, 0) // one is missing between
	k.must(err)
	equal(k, "entries", len(entries), 0)
	equal(k, "position", at, token.Position{})
}

// A deleted person's revocations outlive the account, and the name is not given again.
func purgeDeletedPerson(k *kit) {
	ada := k.person("ada")
	g := k.issue(token.Session, "ecology", ada)
	k.revoke(token.RevokeVerb{Account: ada, Status: account.Deleted})
	k.pass(29 * day)
	k.purgeAll()
	equal(k, "state", k.grant(g.ID).State(k.now()), "revoked")
	_, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "Ada", Type: account.Person})
	k.accountRefused(err, account.ErrConflict)
	events, err := k.Audit(ctx, audit.Filter{Account: ada, Limit: 1})
	k.must(err)
	equal(k, "last line about the account", events[0].Kind, audit.Revoked)
}

// Addresses and agents go after their time, the rest stays; what is used goes on being known.
func purgeForgetsAddresses(k *kit) {
	ada := k.person("ada")
	used, idle := k.issue(token.APIKey, "", ada), k.issue(token.Session, "ecology", ada)
	rotated := k.issue(token.Session, "samples", ada)
	touch := func(g token.Grant, addr string) {
		k.Helper()
		k.must(k.Touch(ctx, []token.Use{{Grant: g.ID, At: k.now(), Count: 1, Addr: addr}}))
	}
	touch(used, "192.0.2.9")
	touch(idle, "192.0.2.9")
	touch(idle, "") // nobody knows from where
	equal(k, "address after a use without one", k.grant(idle.ID).LastAddr, "192.0.2.9")
	purge := func() {
		k.Helper()
		for cursor := int64(0); ; {
			next, _, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Cursor: cursor, Batch: 2,
				Retention: token.Retention{AuditKeep: 400 * day, AddressKeep: 10 * day}})
			k.must(err)
			if cursor = next; next == 0 {
				return
			}
		}
	}
	known := func() (n int) {
		for _, e := range k.events(0) {
			if e.Addr != "" || e.Agent != "" {
				n++
			}
		}
		return n
	}
	lines := len(k.events(0))
	k.pass(10 * day)
	purge()
	equal(k, "lines with an address when the time is not over", known(), lines)
	equal(k, "address where it was made", k.grant(idle.ID).Addr, "192.0.2.7")
	k.pass(time.Millisecond)
	touch(used, "2001:db8::1")
	v := k.present(rotated, 0)
	v.By.Addr = "192.0.2.77"
	k.rotateVerb(v)
	for range lines { // a batch of lines each time
		purge()
	}
	equal(k, "lines with an address", known(), 0)
	equal(k, "lines", len(k.events(0)), lines)
	for _, c := range []struct {
		grant token.Grant
		last  string
	}{{used, "2001:db8::1"}, {idle, ""}, {rotated, "192.0.2.77"}} {
		g := k.grant(c.grant.ID)
		equal(k, "address and agent where it was made", g.Addr+g.Agent, "")
		equal(k, "address of the last use", g.LastAddr, c.last)
	}
	k.purgeAll() // keeps addresses for ever
	equal(k, "address", k.grant(used.ID).LastAddr, "2001:db8::1")
}
