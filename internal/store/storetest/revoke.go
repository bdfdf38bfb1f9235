package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var revokeTests = map[string]func(*kit){
	"RevokeGrant":        revokeGrant,
	"RevokeChildren":     revokeChildren,
	"RevokeAccount":      revokeAccount,
	"RevokeKindsService": revokeKindsService,
	"RevokePossession":   revokePossession,
	"RevokeCutoffs":      revokeCutoffs,
	"RevokeDisable":      revokeDisable,
	"RevokeDelete":       revokeDelete,
	"RevokeServiceKey":   revokeServiceKey,
}

func (k *kit) ended(what string, got token.Ended, want ...int64) {
	k.Helper()
	if diff := cmp.Diff(want, got.Grants); diff != "" {
		k.Errorf("%s: ended (-want +got):\n%s", what, diff)
	}
}

func revokeGrant(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	g := k.issue(token.Pair, "samples", ada)
	_, err := k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: g.ID, Owner: bob})
	k.refused(err, token.NotFound)
	_, err = k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Grant: 99})
	k.refused(err, token.NotFound)
	equal(k, "state", k.grant(g.ID).State(k.now()), "live")
	k.ended("own", k.revoke(token.RevokeVerb{Grant: g.ID, Owner: ada, Reason: "lost laptop"}), g.ID)
	k.ended("again", k.revoke(token.RevokeVerb{Grant: g.ID}))
	equal(k, "reason", k.grant(g.ID).RevokedReason, "lost laptop")
	equal(k, "audit lines", k.lines(audit.Revoked, g.ID), 1)
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, g.ID)), 1)
	k.reopen()
	k.rotate(g, 0, token.RotateRevoked)
}

func revokeChildren(k *kit) {
	ada := k.person("ada")
	key, other := k.issue(token.APIKey, "", ada), k.issue(token.APIKey, "", ada)
	v := k.verb(token.Pair, "samples", ada)
	v.Grant.Parent = key.ID
	child := k.issueVerb(v).Grant
	v.Grant.Parent = other.ID
	k.issueVerb(v)
	k.ended("key", k.revoke(token.RevokeVerb{Grant: key.ID}), key.ID, child.ID)
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, child.ID)), 1)
	equal(k, "others", len(k.live(token.Filter{Account: ada})), 2)
	together(8, func(i int) { // a key's end and the making of children cross
		if i == 3 {
			k.revoke(token.RevokeVerb{Grant: other.ID})
			return
		}
		v := k.verb(token.Pair, "samples", ada)
		v.Grant.Parent = other.ID
		if _, err := k.Issue(ctx, v); err != nil {
			k.refused(err, token.Revoked)
		}
	})
	equal(k, "living children of a dead key", len(k.live(token.Filter{Account: ada})), 0)
}

func revokeAccount(k *kit) {
	ada, bob := k.robot("ada"), k.person("bob")
	var want []int64
	for _, g := range []token.Grant{k.issue(token.Pair, "samples", ada), k.issue(token.Session, "ecology", ada),
		k.issue(token.APIKey, "", ada), k.issue(token.Application, "samples", ada)} {
		want = append(want, g.ID)
	}
	bobs := k.issue(token.Pair, "samples", bob)
	k.ended("account", k.revoke(token.RevokeVerb{Account: ada}), want...)
	k.ended("again", k.revoke(token.RevokeVerb{Account: ada}))
	equal(k, "another's", k.grant(bobs.ID).State(k.now()), "live")
	_, err := k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Account: 99})
	k.refused(err, token.NotFound)
	k.issue(token.Pair, "samples", ada) // the account itself lives
}

func revokeKindsService(k *kit) {
	ada := k.person("ada")
	pair, session := k.issue(token.Pair, "samples", ada), k.issue(token.Session, "samples", ada)
	edi, key := k.issue(token.Session, "ecology", ada), k.issue(token.APIKey, "", ada)
	k.ended("sessions of samples", k.revoke(token.RevokeVerb{Account: ada, Service: "samples", Kinds: []token.GrantKind{token.Session}}), session.ID)
	k.ended("samples", k.revoke(token.RevokeVerb{Account: ada, Service: "samples"}), pair.ID)
	k.ended("keys", k.revoke(token.RevokeVerb{Account: ada, Kinds: []token.GrantKind{token.APIKey}}), key.ID)
	equal(k, "ecology", k.grant(edi.ID).State(k.now()), "live")
}

func revokePossession(k *kit) {
	ada := k.person("ada")
	possess := func(g token.Grant, generation int64) token.RevokeVerb {
		return token.RevokeVerb{By: token.Caller{Actor: "token"}, Grant: g.ID, Possession: true, Nonce: g.Nonce,
			Generation: generation, Window: time.Minute}
	}
	g := k.issue(token.Pair, "samples", ada)
	k.rotate(g, 0, token.RotatedNow)
	wrong := possess(g, 1)
	wrong.Nonce, wrong.Now = g.Nonce+1, k.now()
	_, err := k.Revoke(ctx, wrong)
	k.refused(err, token.NotFound)
	for _, c := range []struct {
		generation int64
		want       token.Outcome
	}{{2, token.RotateAhead}, {0, token.RotateRaced}} {
		ended := k.revoke(possess(g, c.generation))
		equal(k, "outcome", ended.Outcome, c.want)
		k.ended(string(c.want), ended)
	}
	ended := k.revoke(possess(g, 1))
	equal(k, "outcome of the present token", ended.Outcome, "")
	k.ended("present token", ended, g.ID)
	equal(k, "outcome of a revoked grant", k.revoke(possess(g, 1)).Outcome, token.RotateRevoked)

	g = k.issue(token.Pair, "samples", ada)
	k.rotate(g, 0, token.RotatedNow)
	k.rotate(g, 1, token.RotatedNow)
	ended = k.revoke(possess(g, 0))
	equal(k, "outcome of an ancestor", ended.Outcome, token.RotateReused)
	k.ended("ancestor", ended, g.ID)

	g = k.issue(token.Pair, "samples", ada)
	k.rotate(g, 0, token.RotatedNow)
	k.must(k.AnswerLost(ctx, g.ID, 1, k.grant(g.ID).RotatedAt))
	ended = k.revoke(possess(g, 0)) // its holder has no other
	equal(k, "outcome where the successor was lost", ended.Outcome, "")
	k.ended("predecessor of a lost answer", ended, g.ID)
}

func revokeCutoffs(k *kit) {
	ada := k.person("ada")
	first, second := k.issue(token.Session, "ecology", ada), k.issue(token.Session, "ecology", ada)
	key, pair := k.issue(token.APIKey, "", ada), k.issue(token.Pair, "samples", ada)
	cut := func(when string, want int, v token.RevokeVerb) {
		k.Helper()
		k.pass(time.Minute)
		before := k.inFeed(func(e token.Entry) bool { return e.Kind == token.EntryCutoff })
		got := k.revoke(v).Cutoffs
		equal(k, when+": cut-offs", len(got), want)
		equal(k, when+": feed entries", k.inFeed(func(e token.Entry) bool { return e.Kind == token.EntryCutoff })-before, want)
		if want == 1 {
			c := token.Cutoff{Service: "ecology", Name: "uid=ada", At: k.now(), Until: k.now().Add(9 * time.Hour)}
			if diff := cmp.Diff([]token.Cutoff{c}, got); diff != "" {
				k.Errorf("%s (-want +got):\n%s", when, diff)
			}
		}
	}
	cut("one of three", 0, token.RevokeVerb{Grant: first.ID})
	cut("a key left", 0, token.RevokeVerb{Grant: second.ID})
	cut("the last", 1, token.RevokeVerb{Grant: key.ID})
	cut("another service", 0, token.RevokeVerb{Grant: pair.ID})
	cut("the whole service", 1, token.RevokeVerb{Account: ada, Service: "ecology"})
	cut("the whole of another service", 0, token.RevokeVerb{Account: ada, Service: "samples"})
	cut("the account", 1, token.RevokeVerb{Account: ada})
	cut("its disabling", 1, token.RevokeVerb{Account: ada, Status: account.Disabled})
	loaded := k.load()
	last := token.Entry{Kind: token.EntryCutoff, Service: "ecology", Name: "uid=ada", At: k.now(), Until: k.now().Add(9 * time.Hour)}
	if !slices.Contains(loaded, last) {
		k.Errorf("loaded %+v, which does not hold %+v", loaded, last)
	}
}

func revokeDisable(k *kit) {
	ada := k.person("ada")
	g, key := k.issue(token.Pair, "samples", ada), k.issue(token.APIKey, "", ada)
	disable := token.RevokeVerb{Account: ada, Status: account.Disabled, Kinds: []token.GrantKind{token.Pair}}
	k.ended("disabled", k.revoke(disable), g.ID, key.ID)
	k.revoke(disable)
	equal(k, "audit lines", k.lines(audit.AccountDisabled, 0), 1)
	_, _, err := k.Password(ctx, "ada")
	k.accountRefused(err, account.ErrNotFound)
	a, err := k.EnableAccount(ctx, by, k.now(), "ADA")
	k.must(err)
	equal(k, "status", a.Status, account.Active)
	equal(k, "audit lines", k.lines(audit.AccountEnabled, 0), 1)
	k.rotate(g, 0, token.RotateRevoked) // for good
	k.issue(token.Pair, "samples", ada)
	_, err = k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Account: ada, Status: "away"})
	k.refused(err, token.Malformed)
}

func revokeDelete(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	_, err := k.AddGroup(ctx, by, k.now(), "lab", strings.Repeat("c", 32), "ada")
	k.must(err)
	k.must(k.AddMember(ctx, by, k.now(), "lab", "bob"))
	k.must(k.AddMember(ctx, by, k.now(), "lab", "ada"))
	g, bobs := k.issue(token.Session, "ecology", ada), k.issue(token.Session, "ecology", bob)
	own := token.Caller{Actor: "account", Account: ada, Addr: "192.0.2.7", Agent: "browser"}
	k.must(k.Touch(ctx, []token.Use{{Grant: g.ID, At: k.now(), Count: 1, Addr: "192.0.2.7"}}))
	elsewhere := account.By{Actor: fmt.Sprintf("account %d", ada), Addr: "192.0.2.7", Agent: "browser"}
	_, err = k.AddGroup(ctx, elsewhere, k.now(), "other", strings.Repeat("9", 32), "bob")
	k.must(err)
	total := len(k.events(0))
	ended := k.revoke(token.RevokeVerb{By: own, Account: ada, Status: account.Deleted})
	k.ended("deleted", ended, g.ID)
	equal(k, "another's grant", k.grant(bobs.ID).State(k.now()), "live")
	equal(k, "stale entries of who lost the group", k.inFeed(ofGrant(token.EntryStale, bobs.ID)), 1)
	groups, err := k.Groups(ctx)
	k.must(err)
	equal(k, "groups", len(groups), 1)
	for _, e := range k.events(0) {
		if e.Actor == elsewhere.Actor && e.Addr+e.Agent != "" {
			k.Errorf("audit line %+v still says from where the deleted person did it", e)
		}
	}
	_, err = k.Account(ctx, "ada")
	k.accountRefused(err, account.ErrNotFound)
	_, err = k.Subject(ctx, "samples", ada, 0)
	k.refused(err, token.NotFound)
	_, err = k.EnableAccount(ctx, by, k.now(), "ada")
	k.accountRefused(err, account.ErrNotFound)
	_, err = k.Revoke(ctx, token.RevokeVerb{By: operator, Now: k.now(), Account: ada, Status: account.Deleted})
	k.refused(err, token.NotFound)
	deleted, err := k.Accounts(ctx, account.Filter{Status: account.Deleted})
	k.must(err)
	if len(deleted) != 1 || deleted[0].Name != "ada" || deleted[0].Email != "" || deleted[0].Display != "" || deleted[0].HasPassword {
		k.Errorf("deleted accounts are %+v, want the bare name ada", deleted)
	}
	events, err := k.Audit(ctx, audit.Filter{Account: ada})
	k.must(err)
	for _, e := range events {
		if e.Addr != "" || e.Agent != "" {
			k.Errorf("audit line %+v still says from where", e)
		}
		if strings.Contains(e.Detail, "ada") {
			k.Errorf("audit line %+v still says who", e)
		}
	}
	if len(k.events(0)) <= total {
		k.Error("lines were removed")
	}
	k.must(k.Touch(ctx, []token.Use{{Grant: g.ID, At: k.now(), Count: 1, Addr: "192.0.2.7"}})) // counted before, written after
	equal(k, "address of the last use", k.grant(g.ID).LastAddr, "")
	equal(k, "address on the grant", k.grant(g.ID).Addr, "")
}

func revokeServiceKey(k *kit) {
	k.opts.Services[1].ServiceKey = [32]byte{1}
	ada := k.person("ada")
	k.issue(token.Session, "ecology", ada)
	got := k.revoke(token.RevokeVerb{Account: ada}).Cutoffs
	var names []string
	for _, c := range got {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"uid=ada", "EDI-ada"}, names); diff != "" {
		k.Errorf("names cut off where a service key mints for any subject (-want +got):\n%s", diff)
	}
}
