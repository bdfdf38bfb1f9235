package storetest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var identityTests = map[string]func(*kit){
	"LinkReadsBack":     linkReadsBack,
	"LinkRefusals":      linkRefusals,
	"LinkLimit":         linkLimit,
	"LinkRacing":        linkRacing,
	"LinkMakesStale":    linkMakesStale,
	"UnlinkReserves":    unlinkReserves,
	"UnlinkLastWay":     unlinkLastWay,
	"UnlinkRacing":      unlinkRacing,
	"UnlinkLosesAdmit":  unlinkLosesAdmit,
	"UnlinkRacingIssue": unlinkRacingIssue,
}

func (k *kit) linkVerb(id int64, provider, subject string) account.LinkVerb {
	return account.LinkVerb{By: by, Now: k.now(), Account: id, Identity: account.Identity{Provider: provider, Subject: subject}}
}

func (k *kit) unlinkVerb(id int64, provider, subject string) account.UnlinkVerb {
	return account.UnlinkVerb{By: by, Now: k.now(), Account: id, Provider: provider, Subject: subject}
}

func (k *kit) accountByID(id int64) account.Account {
	k.Helper()
	a, err := k.AccountByID(ctx, id)
	k.must(err)
	return a
}

// ways lists what an account signs in by, but for its own name.
func (k *kit) ways(id int64) (all []string) {
	k.Helper()
	for _, i := range k.accountByID(id).Identities {
		if i.Provider != account.PasswordProvider {
			all = append(all, i.Provider+" "+i.Subject)
		}
	}
	return all
}

// bare makes an account that has no password.
func (k *kit) bare(name string, ids ...account.Identity) int64 {
	k.Helper()
	a, err := k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: name, Type: account.Person, Identities: ids})
	k.must(err)
	return a.ID
}

func linkReadsBack(k *kit) {
	ada := k.person("ada")
	k.pass(time.Hour)
	v := account.LinkVerb{By: by, Now: k.now(), Account: ada, Identity: orcid}
	k.must(k.Link(ctx, v))
	want := orcid
	want.LinkedAt = k.now()
	k.pass(time.Hour)
	v.Now = k.now()
	k.must(k.Link(ctx, v)) // is there already
	a, err := k.ByIdentity(ctx, orcid.Provider, orcid.Subject)
	k.must(err)
	equal(k, "number", a.ID, ada)
	if diff := cmp.Diff([]account.Identity{{Provider: "password", Subject: "ada", LinkedAt: start}, want}, a.Identities); diff != "" {
		k.Errorf("identities (-want +got):\n%s", diff)
	}
	sub, err := k.Subject(ctx, "samples", ada, 0)
	k.must(err)
	equal(k, "identity as services see it", sub.HasIdentity("orcid"), true)
	equal(k, "audit lines", k.lines(audit.IdentityLinked, 0), 1)
}

func linkRefusals(k *kit) {
	k.bare("bob", orcid)
	ada, off, gone := k.person("ada"), k.person("off"), k.person("gone")
	k.must(k.Link(ctx, k.linkVerb(gone, "ldap", "uid=gone")))
	k.revoke(token.RevokeVerb{Account: off, Status: account.Disabled})
	k.revoke(token.RevokeVerb{Account: gone, Status: account.Deleted})
	for what, c := range map[string]struct {
		verb account.LinkVerb
		want *account.Error
	}{
		"another's":          {k.linkVerb(ada, orcid.Provider, orcid.Subject), account.ErrConflict},
		"a deleted one's":    {k.linkVerb(ada, "ldap", "uid=gone"), account.ErrConflict},
		"to a disabled one":  {k.linkVerb(off, "ldap", "uid=off"), account.ErrConflict},
		"to a deleted one":   {k.linkVerb(gone, "ldap", "uid=gone"), account.ErrNotFound},
		"to one that is not": {k.linkVerb(99, "ldap", "uid=x"), account.ErrNotFound},
	} {
		err := k.Link(ctx, c.verb)
		k.accountRefused(err, c.want)
		if err != nil && err.Error() == "" {
			k.Errorf("%s: no words", what)
		}
	}
	equal(k, "audit lines", k.lines(audit.IdentityLinked, 0), 1)
}

func linkLimit(k *kit) {
	ada := k.person("ada")
	var n atomic.Int64
	together(30, func(i int) {
		err := k.Link(ctx, k.linkVerb(ada, "ldap", name("uid=", i)))
		if err != nil {
			k.accountRefused(err, account.ErrConflict)
			return
		}
		n.Add(1)
	})
	equal(k, "linked beside the password", n.Load(), 19)
}

// Two accounts ask for one identity at once: it is one account's.
func linkRacing(k *kit) {
	ids := []int64{k.person("ada"), k.person("bob")}
	won := make([]int64, 8)
	together(len(won), func(i int) {
		err := k.Link(ctx, k.linkVerb(ids[i%2], orcid.Provider, orcid.Subject))
		if err != nil {
			k.accountRefused(err, account.ErrConflict)
			return
		}
		won[i] = ids[i%2]
	})
	owner, err := k.ByIdentity(ctx, orcid.Provider, orcid.Subject)
	k.must(err)
	for _, w := range won {
		if w != 0 && w != owner.ID {
			k.Errorf("account %d was told that it has what account %d has", w, owner.ID)
		}
	}
	equal(k, "audit lines", k.lines(audit.IdentityLinked, 0), 1)
}

// uidOfLDAP calls accounts by their first identity of LDAP, as a dialect may.
func (k *kit) uidOfLDAP() {
	k.opts.Services[1].Names = func(s token.Subject) []string {
		for _, i := range s.Identities {
			if i.Provider == "ldap" {
				return []string{i.Subject}
			}
		}
		return []string{"uid=" + s.Name}
	}
}

// What an account gains and loses reaches the tokens made before, and a name that it is given no more is cut off.
func linkMakesStale(k *kit) {
	k.uidOfLDAP()
	ada := k.person("ada")
	g := k.issue(token.Session, "ecology", ada)
	feed := func(what string, do func() error, cut string) {
		k.Helper()
		k.pass(time.Minute)
		from := k.head()
		k.must(do())
		var want []token.Entry
		if cut != "" {
			want = append(want, token.Entry{Kind: token.EntryCutoff, Service: "ecology", Name: cut, At: k.now(), Until: k.now().Add(9 * time.Hour)})
		}
		want = append(want, token.Entry{Kind: token.EntryStale, Grant: g.ID, At: k.now()})
		for i := range want {
			want[i].Seq = from + int64(i) + 1
		}
		entries, _, err := k.Since(ctx, from, 0)
		k.must(err)
		if diff := cmp.Diff(want, entries); diff != "" {
			k.Errorf("%s: feed (-want +got):\n%s", what, diff)
		}
	}
	feed("orcid", func() error { return k.Link(ctx, k.linkVerb(ada, orcid.Provider, orcid.Subject)) }, "")
	feed("ldap", func() error { return k.Link(ctx, k.linkVerb(ada, "ldap", "uid=ada,o=EDI")) }, "uid=ada")
	feed("no orcid", func() error { return k.Unlink(ctx, k.unlinkVerb(ada, orcid.Provider, orcid.Subject)) }, "")
	feed("no ldap", func() error { return k.Unlink(ctx, k.unlinkVerb(ada, "ldap", "uid=ada,o=EDI")) }, "uid=ada,o=EDI")
	from := k.head()
	k.must(k.Link(ctx, k.linkVerb(ada, "ldap", "uid=ada,o=EDI")))
	k.must(k.Link(ctx, k.linkVerb(ada, "ldap", "uid=ada,o=EDI"))) // changes nothing
	equal(k, "feed after one change", k.head(), from+2)
}

// A removed identity signs nobody in, and nobody else ever gets it.
func unlinkReserves(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	k.must(k.Link(ctx, k.linkVerb(ada, orcid.Provider, orcid.Subject)))
	k.must(k.Unlink(ctx, k.unlinkVerb(ada, orcid.Provider, orcid.Subject)))
	had, err := k.ByIdentity(ctx, orcid.Provider, orcid.Subject)
	k.must(err)
	equal(k, "whose it was", had.ID, ada)
	equal(k, "ways to sign in", len(had.Identities), 1)
	sub, err := k.Subject(ctx, "samples", ada, 0)
	k.must(err)
	equal(k, "identity as services see it", sub.HasIdentity("orcid"), false)
	k.accountRefused(k.Unlink(ctx, k.unlinkVerb(ada, orcid.Provider, orcid.Subject)), account.ErrNotFound)
	k.accountRefused(k.Unlink(ctx, k.unlinkVerb(bob, orcid.Provider, orcid.Subject)), account.ErrNotFound)
	k.accountRefused(k.Link(ctx, k.linkVerb(bob, orcid.Provider, orcid.Subject)), account.ErrConflict)
	_, err = k.AddAccount(ctx, account.AddVerb{By: by, Now: k.now(), Name: "eve", Type: account.Person, Identities: []account.Identity{orcid}})
	k.accountRefused(err, account.ErrConflict)
	k.pass(time.Hour)
	k.must(k.Link(ctx, account.LinkVerb{By: by, Now: k.now(), Account: ada, Identity: orcid}))
	a := k.accountByID(ada)
	want := orcid
	want.LinkedAt = k.now()
	if diff := cmp.Diff(want, a.Identities[1]); diff != "" {
		k.Errorf("identity linked again (-want +got):\n%s", diff)
	}
	equal(k, "audit lines", k.lines(audit.IdentityUnlinked, 0), 1)
}

func unlinkLastWay(k *kit) {
	bare, ada := k.bare("bare", orcid), k.person("ada")
	k.accountRefused(k.Unlink(ctx, k.unlinkVerb(bare, orcid.Provider, orcid.Subject)), account.ErrConflict)
	k.must(k.Link(ctx, k.linkVerb(bare, "ldap", "uid=bare")))
	k.must(k.Unlink(ctx, k.unlinkVerb(bare, orcid.Provider, orcid.Subject)))
	k.accountRefused(k.Unlink(ctx, k.unlinkVerb(bare, "ldap", "uid=bare")), account.ErrConflict)
	if diff := cmp.Diff([]string{"ldap uid=bare"}, k.ways(bare)); diff != "" {
		k.Errorf("ways left (-want +got):\n%s", diff)
	}
	k.must(k.Link(ctx, k.linkVerb(ada, "ldap", "uid=ada")))
	k.must(k.Unlink(ctx, k.unlinkVerb(ada, "ldap", "uid=ada"))) // a password is a way
	k.revoke(token.RevokeVerb{Account: ada, Status: account.Disabled})
	k.accountRefused(k.Unlink(ctx, k.unlinkVerb(ada, "ldap", "uid=ada")), account.ErrConflict)
	k.accountRefused(k.Unlink(ctx, k.unlinkVerb(99, "ldap", "uid=ada")), account.ErrNotFound)
}

// Each of the last two is removed at once: one stays.
func unlinkRacing(k *kit) {
	ids := []account.Identity{orcid, {Provider: "ldap", Subject: "uid=ada"}}
	bare := k.bare("ada", ids...)
	var removed atomic.Int64
	together(8, func(i int) {
		err := k.Unlink(ctx, k.unlinkVerb(bare, ids[i%2].Provider, ids[i%2].Subject))
		switch {
		case err == nil:
			removed.Add(1)
		case !strings.Contains(err.Error(), "last way"):
			k.accountRefused(err, account.ErrNotFound)
		default:
			k.accountRefused(err, account.ErrConflict)
		}
	})
	equal(k, "removed", removed.Load(), 1)
	equal(k, "left", len(k.ways(bare)), 1)
}

// A service that asks for an identity gives no pair to an account that lost it.
func unlinkLosesAdmit(k *kit) {
	k.opts.Services[2].Groups, k.opts.Services[2].RequireIdentity = nil, "orcid"
	ada := k.person("ada")
	_, err := k.Issue(ctx, k.verb(token.Pair, "staff", ada))
	k.refused(err, token.Forbidden)
	k.must(k.Link(ctx, k.linkVerb(ada, orcid.Provider, orcid.Subject)))
	g := k.issue(token.Pair, "staff", ada)
	k.must(k.Unlink(ctx, k.unlinkVerb(ada, orcid.Provider, orcid.Subject)))
	_, err = k.Issue(ctx, k.verb(token.Pair, "staff", ada))
	k.refused(err, token.Forbidden)
	_, err = k.Rotate(ctx, k.present(g, 0))
	k.refused(err, token.Forbidden)
}

// Grants made while an identity goes are either refused or stale.
func unlinkRacingIssue(k *kit) {
	k.opts.Services[2].Groups, k.opts.Services[2].RequireIdentity = nil, "orcid"
	ada := k.person("ada")
	k.must(k.Link(ctx, k.linkVerb(ada, orcid.Provider, orcid.Subject)))
	made := make([]int64, 12)
	together(len(made), func(i int) {
		if i == 5 {
			k.must(k.Unlink(ctx, k.unlinkVerb(ada, orcid.Provider, orcid.Subject)))
			return
		}
		out, err := k.Issue(ctx, k.verb(token.Pair, "staff", ada))
		if err != nil {
			k.refused(err, token.Forbidden)
			return
		}
		made[i] = out.Grant.ID
	})
	for i, id := range made {
		if id != 0 {
			equal(k, fmt.Sprintf("stale entries of grant %d by caller %d", id, i), k.inFeed(ofGrant(token.EntryStale, id)), 1)
		}
	}
}
