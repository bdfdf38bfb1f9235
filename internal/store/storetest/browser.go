package storetest

import (
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var browserTests = map[string]func(*kit){
	"BrowserReadsBack":       browserReadsBack,
	"BrowserSecretsApart":    browserSecretsApart,
	"BrowserProlonged":       browserProlonged,
	"BrowserProlongRefusals": browserProlongRefusals,
	"BrowserProlongRacing":   browserProlongRacing,
	"BrowserLimit":           browserLimit,
	"BrowserEndedWithOthers": browserEndedWithOthers,
	"BrowserExcept":          browserExcept,
	"BrowserCutsNothing":     browserCutsNothing,
	"BrowserPurged":          browserPurged,
}

// browser signs an account in; the secret's hash begins with n.
func (k *kit) browser(account int64, n byte) token.Grant {
	k.Helper()
	v := k.verb(token.Browser, "", account)
	v.Grant.Label = "orcid"
	hash := [32]byte{n, 0xb0}
	v.SecretHash = hash[:]
	return k.issueVerb(v).Grant
}

func browserReadsBack(k *kit) {
	ada := k.person("ada")
	g := k.browser(ada, 1)
	found, err := k.BrowserBySecret(ctx, [32]byte{1, 0xb0})
	k.must(err)
	if diff := cmp.Diff(g, found); diff != "" {
		k.Errorf("browser (-made +found):\n%s", diff)
	}
	equal(k, "service", g.Service, "")
	equal(k, "subject", g.Subject, "")
	events := k.events(g.ID)
	equal(k, "audit lines", len(events), 1)
	equal(k, "kind", events[0].Kind, audit.SignedIn)
	equal(k, "detail", events[0].Detail, "orcid")
	equal(k, "account", events[0].Account, ada)
	bob := k.person("bob")
	k.revoke(token.RevokeVerb{Account: bob, Status: account.Disabled})
	_, err = k.Issue(ctx, k.verb(token.Browser, "", bob))
	k.refused(err, token.Forbidden)
	k.revoke(token.RevokeVerb{Account: bob, Status: account.Deleted})
	_, err = k.Issue(ctx, k.verb(token.Browser, "", bob))
	k.refused(err, token.NotFound)
	_, err = k.Issue(ctx, k.verb(token.Session, "", ada)) // only browsers and keys are of no service
	k.refused(err, token.NotFound)
}

// A browser's secret is no API key, and the other way round.
func browserSecretsApart(k *kit) {
	ada := k.person("ada")
	g := k.browser(ada, 1)
	v := k.verb(token.APIKey, "", ada)
	key := [32]byte{2, 0xb0}
	v.SecretHash = key[:]
	k.issueVerb(v)
	_, err := k.KeyBySecret(ctx, [32]byte{1, 0xb0})
	k.refused(err, token.NotFound)
	_, err = k.BrowserBySecret(ctx, key)
	k.refused(err, token.NotFound)
	v = k.verb(token.Pair, "samples", ada)
	v.Grant.Parent = g.ID
	_, err = k.Issue(ctx, v)
	k.refused(err, token.NotFound)
	equal(k, "outcome of a refresh", k.rotateVerb(k.present(g, 0)).Outcome, token.RotateNotFound)
}

func browserProlonged(k *kit) {
	g := k.browser(k.person("ada"), 1)
	prolong := func(until, want time.Time) {
		k.Helper()
		got, err := k.Prolong(ctx, token.ProlongVerb{Now: k.now(), Grant: g.ID, Until: until})
		k.must(err)
		equal(k, "end", got.ExpiresAt, want)
		equal(k, "end as stored", k.grant(g.ID).ExpiresAt, want)
	}
	k.pass(11 * time.Hour)
	later := k.now().Add(12 * time.Hour)
	prolong(later, later)
	prolong(later.Add(-time.Hour), later) // never back
	prolong(g.Cap.Add(time.Hour), g.Cap)
	equal(k, "cap", k.grant(g.ID).Cap, g.Cap)
}

func browserProlongRefusals(k *kit) {
	ada := k.person("ada")
	late, out, pair := k.browser(ada, 1), k.browser(ada, 2), k.issue(token.Pair, "samples", ada)
	k.revoke(token.RevokeVerb{Grant: out.ID})
	k.pass(12 * time.Hour) // the very end
	for id, want := range map[int64]token.Code{late.ID: token.Expired, out.ID: token.Revoked, pair.ID: token.NotFound, 99: token.NotFound} {
		_, err := k.Prolong(ctx, token.ProlongVerb{Now: k.now(), Grant: id, Until: k.now().Add(time.Hour)})
		k.refused(err, want)
	}
	equal(k, "end", k.grant(late.ID).ExpiresAt, late.ExpiresAt)
	equal(k, "end of the pair", k.grant(pair.ID).ExpiresAt, pair.ExpiresAt)
}

// Use and sign-out cross: whatever comes first, the browser is signed out.
func browserProlongRacing(k *kit) {
	g := k.browser(k.person("ada"), 1)
	var refused atomic.Int64
	together(9, func(i int) {
		if i == 4 {
			k.revoke(token.RevokeVerb{Grant: g.ID})
			return
		}
		_, err := k.Prolong(ctx, token.ProlongVerb{Now: k.now(), Grant: g.ID, Until: k.now().Add(13 * time.Hour)})
		if err != nil {
			k.refused(err, token.Revoked)
			refused.Add(1)
		}
	})
	k.Logf("%d of 8 came after the sign-out", refused.Load())
	equal(k, "state", k.grant(g.ID).State(k.now()), "revoked")
	_, err := k.Prolong(ctx, token.ProlongVerb{Now: k.now(), Grant: g.ID, Until: k.now().Add(13 * time.Hour)})
	k.refused(err, token.Revoked)
}

// One too many ends the one that was idle for longest; keys and others' browsers do not count.
func browserLimit(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	key, other := k.issue(token.APIKey, "", ada), k.issue(token.Browser, "", bob)
	var all []token.Grant
	for range token.MaxBrowsers {
		all = append(all, k.issue(token.Browser, "", ada))
	}
	k.pass(time.Hour)
	_, err := k.Prolong(ctx, token.ProlongVerb{Now: k.now(), Grant: all[0].ID, Until: k.now().Add(12 * time.Hour)})
	k.must(err)
	out := k.issueVerb(k.verb(token.Browser, "", ada))
	if diff := cmp.Diff([]int64{all[1].ID}, out.Ended); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
	equal(k, "audit lines", k.lines(audit.EndedByLimit, all[1].ID), 1)
	equal(k, "live", len(k.live(token.Filter{Account: ada, Kinds: []token.GrantKind{token.Browser}})), token.MaxBrowsers)
	equal(k, "key", k.grant(key.ID).State(k.now()), "live")
	equal(k, "another's", k.grant(other.ID).State(k.now()), "live")
}

func browserEndedWithOthers(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	first, second, key := k.browser(ada, 1), k.browser(ada, 2), k.issue(token.APIKey, "", ada)
	bobs := k.browser(bob, 3)
	_, err := k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: first.ID, Owner: bob})
	k.refused(err, token.NotFound)
	k.ended("one", k.revoke(token.RevokeVerb{Grant: first.ID, Owner: ada, Reason: "signed out"}), first.ID)
	equal(k, "audit lines of a sign-out", k.lines(audit.SignedOut, first.ID), 1)
	equal(k, "audit lines of a revocation", k.lines(audit.Revoked, first.ID), 0)
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, first.ID)), 1)
	k.ended("disabled", k.revoke(token.RevokeVerb{Account: ada, Status: account.Disabled}), second.ID, key.ID)
	equal(k, "another's", k.grant(bobs.ID).State(k.now()), "live")
	found, err := k.BrowserBySecret(ctx, [32]byte{2, 0xb0})
	k.must(err)
	equal(k, "state by its secret", found.State(k.now()), "revoked")
}

// One grant may stay when the others of an account end, but not when the account does.
func browserExcept(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	here, there, key := k.browser(ada, 1), k.browser(ada, 2), k.issue(token.APIKey, "", ada)
	pair, bobs := k.issue(token.Pair, "samples", ada), k.browser(bob, 3)
	kinds := []token.GrantKind{token.Browser, token.Pair, token.Session, token.Application}
	k.ended("all but this and the keys", k.revoke(token.RevokeVerb{Account: ada, Kinds: kinds, Except: here.ID}), there.ID, pair.ID)
	equal(k, "key", k.grant(key.ID).State(k.now()), "live")
	k.ended("all but another's", k.revoke(token.RevokeVerb{Account: ada, Kinds: []token.GrantKind{token.Browser}, Except: bobs.ID}), here.ID)
	last := k.browser(ada, 4)
	k.ended("the account", k.revoke(token.RevokeVerb{Account: ada, Status: account.Disabled, Except: last.ID}), key.ID, last.ID)
}

// Tokens that name a person stand for sign-ins to a service: the end of a browser's changes nothing for them, and a
// browser that is left keeps nothing of them alive.
func browserCutsNothing(k *kit) {
	ada := k.person("ada")
	cutoffs := func() int { return k.inFeed(func(e token.Entry) bool { return e.Kind == token.EntryCutoff }) }
	first, second := k.browser(ada, 1), k.browser(ada, 2)
	k.revoke(token.RevokeVerb{Grant: first.ID})
	k.revoke(token.RevokeVerb{Account: ada, Kinds: []token.GrantKind{token.Browser}, Except: second.ID})
	equal(k, "cut-offs after sign-outs", cutoffs(), 0)
	session := k.issue(token.Session, "ecology", ada)
	k.revoke(token.RevokeVerb{Grant: session.ID})
	equal(k, "cut-offs after the last sign-in to the service", cutoffs(), 1)
	key := k.issue(token.APIKey, "", ada)
	k.revoke(token.RevokeVerb{Grant: key.ID})
	equal(k, "cut-offs after the last key", cutoffs(), 2)
	display := "Ada King"
	_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", Display: &display})
	k.must(err)
	equal(k, "stale entries", k.inFeed(ofGrant(token.EntryStale, second.ID)), 0)
}

// A row goes a day after its absolute end, or after the sign-out: nothing was minted from it.
func browserPurged(k *kit) {
	ada := k.person("ada")
	kept, out := k.browser(ada, 1), k.browser(ada, 2)
	k.revoke(token.RevokeVerb{Grant: out.ID})
	gone := func(id int64) bool {
		_, err := k.Grant(ctx, id)
		return token.CodeOf(err) == token.NotFound
	}
	k.pass(day - time.Second)
	k.purgeAll()
	equal(k, "signed out is gone within a day", gone(out.ID), false)
	k.pass(2 * time.Second)
	k.purgeAll()
	equal(k, "signed out is gone after a day", gone(out.ID), true)
	k.pass(7*day - 2*time.Second)
	k.purgeAll()
	equal(k, "the other is gone within a day of its end", gone(kept.ID), false)
	k.pass(2 * time.Second)
	k.purgeAll()
	equal(k, "the other is gone after a day", gone(kept.ID), true)
}
