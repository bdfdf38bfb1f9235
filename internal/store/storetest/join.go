package storetest

import (
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var joinTests = map[string]func(*kit){
	"JoinMovesAll":         joinMovesAll,
	"JoinSubjects":         joinSubjects,
	"JoinGroups":           joinGroups,
	"JoinNames":            joinNames,
	"JoinRefusals":         joinRefusals,
	"JoinRacingIssue":      joinRacingIssue,
	"JoinRacingJoin":       joinRacingJoin,
	"JoinThenDeleted":      joinThenDeleted,
	"JoinTwice":            joinTwice,
	"JoinFillsWhatIsEmpty": joinFillsWhatIsEmpty,
}

func (k *kit) join(into, from int64) error {
	return k.Join(ctx, account.JoinVerb{By: by, Now: k.now(), Into: into, From: from})
}

func joinMovesAll(k *kit) {
	ada, old := k.person("ada"), k.bare("Countess", orcid)
	k.setAttrs("ada", map[string]string{"samples.user_codes": "ADA"})
	k.setAttrs("countess", map[string]string{"samples.user_codes": "CTS", "ecology.site": "and"})
	adas, pair, session := k.issue(token.Pair, "samples", ada), k.issue(token.Pair, "samples", old), k.issue(token.Session, "ecology", old)
	browser, out := k.browser(old, 7), k.issue(token.Pair, "samples", old)
	v := k.verb(token.APIKey, "", old)
	hash := [32]byte{9}
	v.SecretHash = hash[:]
	key := k.issueVerb(v).Grant
	k.revoke(token.RevokeVerb{Grant: out.ID})
	k.pass(time.Hour)
	k.must(k.join(ada, old))

	for _, g := range []token.Grant{pair, session, browser, key} {
		now := k.grant(g.ID)
		equal(k, "account of "+string(g.Kind), now.Account, ada)
		equal(k, "state of "+string(g.Kind), now.State(k.now()), "live")
	}
	equal(k, "revoked stays so", k.grant(out.ID).State(k.now()), "revoked")
	for _, g := range []token.Grant{adas, pair, session, key} {
		equal(k, "stale entries", k.inFeed(ofGrant(token.EntryStale, g.ID)), 1)
	}
	found, err := k.KeyBySecret(ctx, hash)
	k.must(err)
	equal(k, "account of the key", found.Account, ada)
	k.rotate(pair, 0, token.RotatedNow)
	a := k.accountByID(ada)
	equal(k, "display", a.Display, "Ada Example")
	if diff := cmp.Diff(map[string]string{"samples.user_codes": "ADA", "ecology.site": "and"}, a.Attrs); diff != "" {
		k.Errorf("attributes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"orcid " + orcid.Subject}, k.ways(ada)); diff != "" {
		k.Errorf("identities (-want +got):\n%s", diff)
	}
	k.tombstone(ada, old)
	equal(k, "audit lines", k.lines(audit.AccountJoined, 0), 2)
	events, err := k.Audit(ctx, audit.Filter{Account: ada})
	k.must(err)
	equal(k, "the history of both is one", events[len(events)-1].Kind, audit.AccountAdded)
	of := map[int64]bool{}
	for _, e := range events {
		of[e.Account] = true
	}
	equal(k, "accounts in the history", len(of), 2)
}

// tombstone wants what was joined to be gone and its name to lead to into alone.
func (k *kit) tombstone(into, from int64) {
	k.Helper()
	deleted, err := k.Accounts(ctx, account.Filter{Status: account.Deleted})
	k.must(err)
	gone := deleted[slices.IndexFunc(deleted, func(a account.Account) bool { return a.ID == from })]
	equal(k, "identities left", len(gone.Identities), 0)
	equal(k, "password left", gone.HasPassword, false)
	_, err = k.Account(ctx, gone.Name)
	k.accountRefused(err, account.ErrNotFound)
	_, err = k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: gone.Name, Type: account.Person})
	k.accountRefused(err, account.ErrConflict)
	_, err = k.Issue(ctx, k.verb(token.Pair, "samples", from))
	k.refused(err, token.NotFound)
	id, _, err := k.Password(ctx, account.Key(gone.Name))
	k.must(err)
	equal(k, "whom its name signs in", id, into)
}

// Where both have an id in a service, the one of the joined account leads to the other and is nobody else's; where only
// the joined one has, it is taken over.
func joinSubjects(k *kit) {
	ada := k.person("ada")
	old := k.person("Old")
	k.opts.Services = append(k.opts.Services, &token.Service{Name: "later", AccessLifetime: time.Hour, RefreshLifetime: day})
	k.reopen()
	k.issue(token.Session, "later", old)
	k.must(k.join(ada, old))
	want := map[string]string{"samples": "1", "ecology": "EDI-ada", "staff": "1", "later": "1"}
	if diff := cmp.Diff(want, k.accountByID(ada).Subjects); diff != "" {
		k.Errorf("subjects (-want +got):\n%s", diff)
	}
	for service, id := range map[string]string{"samples": "2", "ecology": "EDI-Old", "staff": "2", "later": "1"} {
		sub, err := k.SubjectByID(ctx, service, id)
		k.must(err)
		equal(k, "account of "+id+" in "+service, sub.Account, ada)
		equal(k, "its id in "+service, sub.ID, want[service])
		formers := []string{id}
		if service == "later" {
			formers = nil
		}
		if diff := cmp.Diff(formers, sub.Former.IDs); diff != "" {
			k.Errorf("former ids in %s (-want +got):\n%s", service, diff)
		}
		if diff := cmp.Diff([]string{"Old"}, sub.Former.Names); diff != "" {
			k.Errorf("former names (-want +got):\n%s", diff)
		}
	}
	next, err := k.Subject(ctx, "samples", k.person("next"), 0)
	k.must(err)
	equal(k, "id of the next account", next.ID, "3")
	k.opts.Services[1].NewSubject = func(token.Subject) string { return "EDI-Old" }
	_, err = k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "thief", Type: account.Person})
	k.accountRefused(err, account.ErrConflict)
}

func joinGroups(k *kit) {
	ada, old := k.person("ada"), k.person("old")
	for i, g := range []string{"both", "olds", "owned"} {
		_, err := k.AddGroup(ctx, by, k.now(), g, strings.Repeat(string(rune('a'+i)), 32), "old")
		k.must(err)
	}
	for group, names := range map[string][]string{"both": {"ada", "old"}, "olds": {"old"}} {
		for _, n := range names {
			k.must(k.AddMember(ctx, by, k.now(), group, n))
		}
	}
	groups, err := k.Groups(ctx)
	k.must(err)
	v := k.verb(token.APIKey, "", old)
	v.Grant.Group = groups[2].ID
	key := k.issueVerb(v).Grant
	k.must(k.join(ada, old))
	groups, err = k.Groups(ctx)
	k.must(err)
	for i, members := range [][]string{{"ada"}, {"ada"}, nil} {
		equal(k, "owner of "+groups[i].Name, groups[i].Owner, "ada")
		if diff := cmp.Diff(members, groups[i].Members); diff != "" {
			k.Errorf("members of %s (-want +got):\n%s", groups[i].Name, diff)
		}
	}
	sub, err := k.Subject(ctx, "ecology", k.grant(key.ID).Account, key.Group)
	k.must(err)
	equal(k, "group that the key acts for", sub.Acting.Name, "owned")
}

// Tokens that name the joined account stay good at first, and end with those of the other.
func joinNames(k *kit) {
	ada, old := k.person("ada"), k.person("Old")
	k.issue(token.Session, "ecology", old)
	k.must(k.join(ada, old))
	cutoffs := func(e token.Entry) bool { return e.Kind == token.EntryCutoff }
	equal(k, "cut-offs by the joining", k.inFeed(cutoffs), 0)
	var names []string
	for _, c := range k.revoke(token.RevokeVerb{Account: ada}).Cutoffs {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"uid=ada", "uid=Old"}, names); diff != "" {
		k.Errorf("names cut off (-want +got):\n%s", diff)
	}
	k.uidOfLDAP() // by which whoever has LDAP is called nothing else
	ldap := k.bare("third", account.Identity{Provider: "ldap", Subject: "uid=third,o=EDI"})
	k.pass(time.Minute)
	k.must(k.join(ada, ldap))
	equal(k, "cut-offs of names that are given no more", k.inFeed(func(e token.Entry) bool {
		return cutoffs(e) && e.At.Equal(k.now()) && (e.Name == "uid=ada" || e.Name == "uid=Old")
	}), 2)
}

func joinRefusals(k *kit) {
	ada, bob, robot, off := k.person("ada"), k.person("bob"), k.robot("robot"), k.person("off")
	k.revoke(token.RevokeVerb{Account: off, Status: account.Disabled})
	for _, c := range []struct {
		into, from int64
		want       *account.Error
	}{
		{ada, robot, account.ErrConflict}, {robot, ada, account.ErrConflict}, {ada, off, account.ErrConflict},
		{off, ada, account.ErrConflict}, {ada, 99, account.ErrNotFound}, {99, ada, account.ErrNotFound},
	} {
		k.accountRefused(k.join(c.into, c.from), c.want)
	}
	k.must(k.join(bob, ada))
	k.accountRefused(k.join(bob, ada), account.ErrNotFound)
	k.accountRefused(k.join(ada, bob), account.ErrNotFound)
	equal(k, "audit lines", k.lines(audit.AccountJoined, 0), 2)
}

// A grant made while its account is joined is refused, or the other's and stale.
func joinRacingIssue(k *kit) {
	ada, old := k.person("ada"), k.person("old")
	var made, refused atomic.Int64
	together(12, func(i int) {
		if i == 5 {
			k.must(k.join(ada, old))
			return
		}
		out, err := k.Issue(ctx, k.verb(token.Session, "samples", old))
		if err != nil {
			k.refused(err, token.NotFound)
			refused.Add(1)
			return
		}
		made.Add(1)
		k.rotate(out.Grant, 0, token.RotatedNow)
	})
	equal(k, "made and refused", made.Load()+refused.Load(), 11)
	mine, err := k.List(ctx, token.Filter{Account: ada})
	k.must(err)
	equal(k, "grants of the other", len(mine), int(made.Load()))
	for _, g := range mine {
		equal(k, "stale entries", k.inFeed(ofGrant(token.EntryStale, g.ID)), 1)
	}
	left, err := k.List(ctx, token.Filter{Account: old})
	k.must(err)
	equal(k, "grants of the joined", len(left), 0)
}

// Each into the other at once: one of the two is left, and nothing hangs.
func joinRacingJoin(k *kit) {
	ids := []int64{k.person("ada"), k.person("old")}
	var joined atomic.Int64
	together(8, func(i int) {
		err := k.join(ids[i%2], ids[1-i%2])
		if err == nil {
			joined.Add(1)
			return
		}
		k.accountRefused(err, account.ErrNotFound)
	})
	equal(k, "joined", joined.Load(), 1)
	left, err := k.Accounts(ctx, account.Filter{})
	k.must(err)
	equal(k, "accounts left", len(left), 1)
}

// Deleting the account that is left forgets whence the joined one came, too.
func joinThenDeleted(k *kit) {
	ada, old := k.person("ada"), k.person("old")
	g := k.issue(token.Pair, "samples", old)
	k.must(k.join(ada, old))
	k.ended("all of both", k.revoke(token.RevokeVerb{Account: ada, Status: account.Deleted}), g.ID)
	events, err := k.Audit(ctx, audit.Filter{Account: old})
	k.must(err)
	for _, e := range events {
		if e.Addr != "" || e.Agent != "" {
			k.Errorf("audit line %+v still says from where", e)
		}
	}
	_, _, err = k.Password(ctx, "old")
	k.accountRefused(err, account.ErrNotFound)
	_, err = k.SubjectByID(ctx, "samples", "2")
	k.refused(err, token.NotFound)
}

// What was joined goes along when its account is joined into a third.
func joinTwice(k *kit) {
	ada, bob, eve := k.person("ada"), k.person("bob"), k.person("eve")
	g := k.issue(token.Pair, "samples", eve)
	k.must(k.join(bob, eve))
	k.must(k.join(ada, bob))
	equal(k, "account", k.grant(g.ID).Account, ada)
	sub, err := k.SubjectByID(ctx, "samples", "3")
	k.must(err)
	equal(k, "account of the oldest id", sub.Account, ada)
	if diff := cmp.Diff([]string{"2", "3"}, sub.Former.IDs); diff != "" {
		k.Errorf("former ids (-want +got):\n%s", diff)
	}
	k.tombstone(ada, bob)
	k.tombstone(ada, eve)
	events, err := k.Audit(ctx, audit.Filter{Account: ada})
	k.must(err)
	of := map[int64]bool{}
	for _, e := range events {
		of[e.Account] = true
	}
	equal(k, "accounts in the history", len(of), 3)
}

func joinFillsWhatIsEmpty(k *kit) {
	bare, old := k.bare("bare", orcid), k.person("old")
	k.must(k.AddReset(ctx, account.ResetVerb{By: by, Now: k.now(), Name: "old", Hash: [32]byte{1}, Expires: k.now().Add(day)}))
	k.must(k.join(bare, old))
	a := k.accountByID(bare)
	equal(k, "display", a.Display, "Ada Example")
	equal(k, "e-mail", a.Email, "old@example.org")
	equal(k, "password", a.HasPassword, true)
	for _, n := range []string{"bare", "old"} {
		id, hash, err := k.Password(ctx, n)
		k.must(err)
		equal(k, "account of "+n, id, bare)
		equal(k, "hash of "+n, hash, "$hash")
	}
	_, err := k.Reset(ctx, [32]byte{1}, k.now())
	k.accountRefused(err, account.ErrNotFound)
}
