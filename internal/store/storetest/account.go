package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var accountTests = map[string]func(*kit){
	"AccountReadsBack":  accountReadsBack,
	"AccountByIdentity": accountByIdentity,
	"AccountConflicts":  accountConflicts,
	"AccountFilter":     accountFilter,
	"AccountByID":       accountByID,
	"AccountFind":       accountFind,
	"AccountChanges":    accountChanges,
	"AccountLosses":     accountLosses,
	"AccountNoRobot":    accountNoRobot,
	"AccountRacingAdds": accountRacingAdds,
	"GroupVerbs":        groupVerbs,
	"Attempts":          attempts,
}

// accountRefused wants a refusal of the kind.
func (k *kit) accountRefused(err error, want *account.Error) {
	k.Helper()
	if !errors.Is(err, want) {
		k.Errorf("error is %v, want the refusal %q", err, want.Kind)
	}
}

func (k *kit) setAttrs(name string, attrs map[string]string) {
	k.Helper()
	_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: name, Attrs: attrs})
	k.must(err)
}

var orcid = account.Identity{Provider: "orcid", Subject: "0000-0002-1825-0097", Name: "A. Example", Email: "a@example.org"}

func accountReadsBack(k *kit) {
	_, err := k.AddGroup(ctx, by, k.now(), "Lab", strings.Repeat("1", 32), "")
	k.must(err)
	a, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "Ada", Type: account.Person, Display: "Ada Example",
		Email: "ada@example.org", PasswordHash: "$hash", Groups: []string{"lab"}, Identities: []account.Identity{orcid}})
	k.must(err)
	linked := orcid
	linked.LinkedAt = k.now()
	want := account.Account{ID: 1, Name: "Ada", Type: account.Person, Status: account.Active, Display: "Ada Example",
		Email: "ada@example.org", HasPassword: true, Groups: []string{"Lab"},
		Identities: []account.Identity{linked, {Provider: account.PasswordProvider, Subject: "ada", LinkedAt: k.now()}},
		Subjects:   map[string]string{"samples": "1", "ecology": "EDI-Ada", "staff": "1"},
		Attrs:      map[string]string{}, CreatedAt: k.now(), UpdatedAt: k.now()}
	if diff := cmp.Diff(want, a); diff != "" {
		k.Errorf("account (-want +got):\n%s", diff)
	}
	found, err := k.Account(ctx, "aDA")
	k.must(err)
	if diff := cmp.Diff(a, found); diff != "" {
		k.Errorf("account by name (-want +got):\n%s", diff)
	}
	id, hash, err := k.Password(ctx, "ada")
	k.must(err)
	equal(k, "number", id, a.ID)
	equal(k, "hash", hash, "$hash")
	k.setAttrs("ada", map[string]string{"samples.user_codes": "ABC", "ecology.other": "x"})
	sub, err := k.Subject(ctx, "samples", a.ID, 0)
	k.must(err)
	if diff := cmp.Diff(map[string]string{"user_codes": "ABC"}, sub.Attrs); diff != "" {
		k.Errorf("attributes as the service sees them (-want +got):\n%s", diff)
	}
	if !sub.Active || !sub.HasIdentity("orcid") || !sub.InGroup("Lab") {
		k.Errorf("subject is %+v", sub)
	}
	equal(k, "audit lines", k.lines(audit.AccountAdded, 0), 1)
}

func accountByIdentity(k *kit) {
	k.person("eve")
	made, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "ada", Type: account.Person, Identities: []account.Identity{orcid}})
	k.must(err)
	for _, status := range []string{account.Active, account.Disabled, account.Deleted} {
		if status != account.Active {
			k.revoke(token.RevokeVerb{Account: made.ID, Status: status})
		}
		found, err := k.ByIdentity(ctx, orcid.Provider, orcid.Subject)
		k.must(err)
		equal(k, "number", found.ID, made.ID)
		equal(k, "status", found.Status, status)
	}
	for _, other := range [][2]string{{"ldap", orcid.Subject}, {orcid.Provider, "0000-0002-1825-009X"}, {orcid.Provider, ""}, {"password", "ADA"}} {
		_, err := k.ByIdentity(ctx, other[0], other[1])
		k.accountRefused(err, account.ErrNotFound)
	}
}

func accountConflicts(k *kit) {
	add := func(name string, ids ...account.Identity) error {
		_, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: name, Type: account.Person, Identities: ids})
		return err
	}
	k.must(add("ada", orcid))
	k.accountRefused(add("ADA"), account.ErrConflict)
	k.accountRefused(add("eve", orcid), account.ErrConflict)
	id, err := k.Account(ctx, "ada")
	k.must(err)
	k.revoke(token.RevokeVerb{Account: id.ID, Status: account.Deleted})
	k.accountRefused(add("ada"), account.ErrConflict)
	k.accountRefused(add("eve", orcid), account.ErrConflict) // a tombstone
	_, err = k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "bob", Type: account.Person, Groups: []string{"none"}})
	k.accountRefused(err, account.ErrNotFound)
	all, err := k.Accounts(ctx, account.Filter{})
	k.must(err)
	equal(k, "accounts", len(all), 0)
	_, err = k.Account(ctx, "nobody")
	k.accountRefused(err, account.ErrNotFound)
	k.opts.Services[1].NewSubject = func(token.Subject) string { return "one for all" }
	k.must(add("first"))
	k.accountRefused(add("second"), account.ErrConflict)
}

func accountFilter(k *kit) {
	for _, n := range []string{"bob", "Ada", "adam", "eve"} {
		k.person(n)
	}
	_, err := k.AddGroup(ctx, by, k.now(), "lab", strings.Repeat("2", 32), "")
	k.must(err)
	k.must(k.AddMember(ctx, by, k.now(), "lab", "EVE"))
	kind := account.Application
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "bob", Type: &kind})
	k.must(err)
	eve, err := k.Account(ctx, "eve")
	k.must(err)
	k.revoke(token.RevokeVerb{Account: eve.ID, Status: account.Disabled})
	for what, c := range map[string]struct {
		filter account.Filter
		want   []string
	}{
		"all":      {account.Filter{}, []string{"Ada", "adam", "bob", "eve"}},
		"limit":    {account.Filter{Limit: 2}, []string{"Ada", "adam"}},
		"prefix":   {account.Filter{Prefix: "AD"}, []string{"Ada", "adam"}},
		"group":    {account.Filter{Group: "LAB"}, []string{"eve"}},
		"type":     {account.Filter{Type: account.Application}, []string{"bob"}},
		"disabled": {account.Filter{Status: account.Disabled}, []string{"eve"}},
		"both":     {account.Filter{Status: account.Active, Prefix: "e"}, nil},
	} {
		all, err := k.Accounts(ctx, c.filter)
		k.must(err)
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
		}
		if diff := cmp.Diff(c.want, names); diff != "" {
			k.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func accountByID(k *kit) {
	ada := k.person("ada")
	for _, status := range []string{account.Active, account.Disabled} {
		if status != account.Active {
			k.revoke(token.RevokeVerb{Account: ada, Status: status})
		}
		found, err := k.AccountByID(ctx, ada)
		k.must(err)
		named, err := k.Account(ctx, "ada")
		k.must(err)
		if diff := cmp.Diff(named, found); diff != "" {
			k.Errorf("account by number (-by name +got):\n%s", diff)
		}
	}
	k.revoke(token.RevokeVerb{Account: ada, Status: account.Deleted})
	for _, id := range []int64{ada, 0, -1, 99} {
		_, err := k.AccountByID(ctx, id)
		k.accountRefused(err, account.ErrNotFound)
	}
}

// Ada is number 1, whose subject in samples is 1 too; the deleted "gone" is found by name and number alone.
func accountFind(k *kit) {
	_, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "Ada", Type: account.Person,
		Email: "Ada.L@example.org", Identities: []account.Identity{orcid}})
	k.must(err)
	k.person("adam")
	k.person("abe")
	gone, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "gone", Type: account.Person,
		Email: "gone@example.org", Identities: []account.Identity{{Provider: "orcid", Subject: "lost"}}})
	k.must(err)
	k.revoke(token.RevokeVerb{Account: gone.ID, Status: account.Deleted})
	for what, c := range map[string]struct {
		verb account.FindVerb
		want []string
	}{
		"name, exact first":     {account.FindVerb{Name: "ADA"}, []string{"Ada", "adam"}},
		"exact before earlier":  {account.FindVerb{Name: "a", Number: 2}, []string{"adam", "abe", "Ada"}},
		"beginning":             {account.FindVerb{Name: "a"}, []string{"abe", "Ada", "adam"}},
		"limit":                 {account.FindVerb{Name: "ad", Number: 2, Limit: 1}, []string{"adam"}},
		"e-mail in any case":    {account.FindVerb{Name: "?", Email: "ada.l@EXAMPLE.org"}, []string{"Ada"}},
		"identity":              {account.FindVerb{Name: "?", Subject: orcid.Subject}, []string{"Ada"}},
		"part of an identity":   {account.FindVerb{Name: "?", Subject: orcid.Subject[:5]}, nil},
		"id in two services":    {account.FindVerb{Name: "?", Subject: "2"}, []string{"adam"}},
		"id of another service": {account.FindVerb{Name: "?", Subject: "EDI-abe"}, []string{"abe"}},
		"number":                {account.FindVerb{Name: "?", Number: 3}, []string{"abe"}},
		"a deleted name":        {account.FindVerb{Name: "GONE"}, []string{"gone"}},
		"a deleted number":      {account.FindVerb{Name: "?", Number: gone.ID}, []string{"gone"}},
		"part of it":            {account.FindVerb{Name: "gon"}, nil},
		"its identity and id":   {account.FindVerb{Name: "?", Subject: "lost", Email: "gone@example.org"}, nil},
		"no e-mail":             {account.FindVerb{Name: "?"}, nil},
	} {
		if c.verb.Limit == 0 {
			c.verb.Limit = 10
		}
		all, err := k.FindAccounts(ctx, c.verb)
		k.must(err)
		var names []string
		for _, a := range all {
			names = append(names, a.Name)
		}
		if diff := cmp.Diff(c.want, names); diff != "" {
			k.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
}

func accountChanges(k *kit) {
	ada := k.person("ada")
	g := k.issue(token.Session, "ecology", ada)
	k.pass(time.Hour)
	display, same, hash := "Ada King", "ada@example.org", "$other"
	a, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ADA", Display: &display, Email: &same, PasswordHash: &hash})
	k.must(err)
	equal(k, "display", a.Display, display)
	equal(k, "updated at", a.UpdatedAt, k.now())
	equal(k, "audit lines", k.lines(audit.AccountChanged, 0), 1)
	equal(k, "stale entries", k.inFeed(ofGrant(token.EntryStale, g.ID)), 1)
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", Display: &display})
	k.must(err)
	equal(k, "audit lines of no change", k.lines(audit.AccountChanged, 0), 1)
	hash = "$third"
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", PasswordHash: &hash})
	k.must(err)
	equal(k, "stale entries after a new password", k.inFeed(ofGrant(token.EntryStale, g.ID)), 1)
	equal(k, "cut-offs", k.inFeed(func(e token.Entry) bool { return e.Kind == token.EntryCutoff }), 0)
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "nobody", Display: &display})
	k.accountRefused(err, account.ErrNotFound)
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", Display: &same, AddGroups: []string{"none"}})
	k.accountRefused(err, account.ErrNotFound)
	a, err = k.Account(ctx, "ada")
	k.must(err)
	equal(k, "display after a refusal", a.Display, "Ada King")
}

// Whatever an account loses makes its grants stale and cuts off its names.
func accountLosses(k *kit) {
	_, err := k.AddGroup(ctx, by, k.now(), "lab", strings.Repeat("3", 32), "")
	k.must(err)
	member := func() { k.must(k.AddMember(ctx, by, k.now(), "lab", "ada")) }
	ada := k.person("ada")
	g := k.issue(token.Session, "ecology", ada)
	kind := account.Application
	for what, lose := range map[string]func() error{
		"membership": func() error { return k.RemoveMember(ctx, by, k.now(), "lab", "ada") },
		"membership by account": func() error {
			_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", RemoveGroups: []string{"LAB"}})
			return err
		},
		"type": func() error {
			_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", Type: &kind})
			return err
		},
	} {
		member()
		k.pass(time.Minute)
		from := k.head()
		k.must(lose())
		want := []token.Entry{
			{Seq: from + 1, Kind: token.EntryCutoff, Service: "ecology", Name: "uid=ada", At: k.now(), Until: k.now().Add(9 * time.Hour)},
			{Seq: from + 2, Kind: token.EntryStale, Grant: g.ID, At: k.now()},
		}
		entries, _, err := k.Since(ctx, from, 0)
		k.must(err)
		if diff := cmp.Diff(want, entries); diff != "" {
			k.Errorf("%s: feed (-want +got):\n%s", what, diff)
		}
		k.must(lose()) // nothing more to lose
		equal(k, what+" again: feed", k.head(), from+2)
	}
}

// An account that is no application any more keeps its other grants alone.
func accountNoRobot(k *kit) {
	id := k.robot("robot")
	app, session := k.issue(token.Application, "samples", id), k.issue(token.Session, "samples", id)
	set := func(kind string) {
		k.Helper()
		_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "robot", Type: &kind})
		k.must(err)
	}
	set(account.Application)
	equal(k, "state while it is one", k.grant(app.ID).State(k.now()), "live")
	set(account.Person)
	equal(k, "state of the application token", k.grant(app.ID).State(k.now()), "revoked")
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, app.ID)), 1)
	equal(k, "audit lines", k.lines(audit.Revoked, app.ID), 1)
	equal(k, "state of the session", k.grant(session.ID).State(k.now()), "live")
}

func accountRacingAdds(k *kit) {
	won := make([]bool, 16)
	together(len(won), func(i int) {
		_, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: name("p", i%4), Type: account.Person})
		won[i] = err == nil
		if err != nil {
			k.accountRefused(err, account.ErrConflict)
		}
	})
	n := 0
	for _, w := range won {
		if w {
			n++
		}
	}
	equal(k, "accounts made", n, 4)
	subjects := map[string]bool{}
	all, err := k.Accounts(ctx, account.Filter{})
	k.must(err)
	for _, a := range all {
		subjects[a.Subjects["samples"]] = true
	}
	if diff := cmp.Diff(map[string]bool{"1": true, "2": true, "3": true, "4": true}, subjects); diff != "" {
		k.Errorf("subjects (-want +got):\n%s", diff)
	}
}

func groupVerbs(k *kit) {
	k.person("ada")
	k.person("Bob")
	uid := strings.Repeat("4", 32)
	made, err := k.AddGroup(ctx, by, k.now(), "Lab", uid, "ADA")
	k.must(err)
	if diff := cmp.Diff(account.Group{ID: 1, Name: "Lab", UID: uid, Owner: "ada", CreatedAt: k.now()}, made); diff != "" {
		k.Errorf("group (-want +got):\n%s", diff)
	}
	_, err = k.AddGroup(ctx, by, k.now(), "LAB", strings.Repeat("5", 32), "")
	k.accountRefused(err, account.ErrConflict)
	_, err = k.AddGroup(ctx, by, k.now(), "other", strings.Repeat("5", 32), "nobody")
	k.accountRefused(err, account.ErrNotFound)
	for range 2 {
		k.must(k.AddMember(ctx, by, k.now(), "lab", "bob"))
	}
	equal(k, "audit lines", k.lines(audit.MemberAdded, 0), 1)
	all, err := k.Groups(ctx)
	k.must(err)
	made.Members = []string{"Bob"}
	if diff := cmp.Diff([]account.Group{made}, all); diff != "" {
		k.Errorf("groups (-want +got):\n%s", diff)
	}
	k.accountRefused(k.AddMember(ctx, by, k.now(), "none", "bob"), account.ErrNotFound)
	k.accountRefused(k.AddMember(ctx, by, k.now(), "lab", "nobody"), account.ErrNotFound)
	k.accountRefused(k.RemoveMember(ctx, by, k.now(), "none", "bob"), account.ErrNotFound)
	k.must(k.RemoveMember(ctx, by, k.now(), "lab", "ada")) // is in it no more than before
	equal(k, "audit lines", k.lines(audit.MemberRemoved, 0), 0)
	k.must(k.DeleteGroup(ctx, by, k.now(), "LAB"))
	k.accountRefused(k.DeleteGroup(ctx, by, k.now(), "lab"), account.ErrNotFound)
	again, err := k.AddGroup(ctx, by, k.now(), "lab", strings.Repeat("6", 32), "")
	k.must(err)
	if again.ID == made.ID || again.Members != nil {
		k.Errorf("a group made anew is %+v, want another number and no members", again)
	}
}

func attempts(k *kit) {
	const window = 15 * time.Minute
	check := func(what string, failures int, last time.Time) {
		k.Helper()
		n, at, err := k.Attempts(ctx, "key", k.now(), window)
		k.must(err)
		equal(k, what+": failures", n, failures)
		equal(k, what+": last", at, last)
	}
	fail := func() { k.must(k.Failed(ctx, by, "key", 0, k.now(), window)) }
	check("none", 0, time.Time{})
	together(10, func(int) { fail() })
	k.pass(window)
	fail()
	check("in a row", 11, k.now())
	equal(k, "audit lines", k.lines(audit.SignInFailed, 0), 11)
	k.pass(window)
	check("at the window's end", 11, k.now().Add(-window))
	k.pass(time.Millisecond)
	check("past it", 0, time.Time{})
	fail()
	check("anew", 1, k.now())
	k.must(k.Succeeded(ctx, "key"))
	check("forgotten", 0, time.Time{})
}
