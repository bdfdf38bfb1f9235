package storetest

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/keyring"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

// Each test prepares a store and returns a verb; the verb is then run with its first statement failing, with its second,
// and so on up to the COMMIT, until it runs through.
var faultTests = map[string]func(*kit){
	"FaultIssue":       func(k *kit) { faults(k, prepareIssue) },
	"FaultServiceKey":  func(k *kit) { faults(k, prepareServiceKey) },
	"FaultRotate":      func(k *kit) { faults(k, prepareRotate) },
	"FaultReuse":       func(k *kit) { faults(k, prepareReuse) },
	"FaultRaced":       func(k *kit) { faults(k, prepareRaced) },
	"FaultRevoke":      func(k *kit) { faults(k, prepareRevoke) },
	"FaultReplace":     func(k *kit) { faults(k, prepareReplace) },
	"FaultEndReplaced": func(k *kit) { faults(k, prepareEndReplaced) },
	"FaultDelete":      func(k *kit) { faults(k, prepareDelete) },
	"FaultAddAccount":  func(k *kit) { faults(k, prepareAddAccount) },
	"FaultSetAccount":  func(k *kit) { faults(k, prepareSetAccount) },
	"FaultUnlink":      func(k *kit) { faults(k, prepareUnlink) },
	"FaultJoin":        func(k *kit) { faults(k, prepareJoin) },
	"FaultUseReset":    func(k *kit) { faults(k, prepareUseReset) },
	"FaultProlong":     func(k *kit) { faults(k, prepareProlong) },
	"FaultDeleteGroup": func(k *kit) { faults(k, prepareDeleteGroup) },
	"FaultNewEpoch":    func(k *kit) { faults(k, prepareNewEpoch) },
	"FaultAddKey":      func(k *kit) { faults(k, prepareAddKey) },
	"FaultPurge":       func(k *kit) { faults(k, preparePurge) },
	"FaultRotateOpen":  func(k *kit) { faults(k, prepareRotateOpen) },
}

var errFault = errors.New("the disk is on fire")

// state is all that can be seen of a store.
type state struct {
	Grants   []token.Grant
	Feed     []token.Entry
	InForce  []token.Entry
	Audit    []audit.Event
	Accounts []account.Account
	Deleted  []account.Account
	Groups   []account.Group
	Keys     []keyring.Key
}

func (k *kit) state() (s state) {
	k.Helper()
	var err [6]error
	s.Grants, err[0] = k.List(ctx, token.Filter{})
	s.Audit, err[1] = k.Audit(ctx, audit.Filter{})
	s.Accounts, err[2] = k.Accounts(ctx, account.Filter{})
	s.Deleted, err[3] = k.Accounts(ctx, account.Filter{Status: account.Deleted})
	s.Groups, err[4] = k.Groups(ctx)
	s.Keys, err[5] = k.Keys(ctx)
	k.must(errors.Join(err[:]...))
	s.Feed, s.InForce = k.entries(), k.load()
	return s
}

// renumbered gives what is numbered its place instead: numbers ascend, and those of a verb that failed may be left out.
func (s state) renumbered() state {
	grants := places(s.Grants, func(g token.Grant) int64 { return g.ID })
	accounts := places(slices.Concat(s.Accounts, s.Deleted), func(a account.Account) int64 { return a.ID })
	s.Grants, s.Audit, s.Keys = slices.Clone(s.Grants), slices.Clone(s.Audit), slices.Clone(s.Keys)
	for i := range s.Grants {
		g := &s.Grants[i]
		g.ID, g.Account, g.Parent, g.ReplacedBy = grants[g.ID], accounts[g.Account], grants[g.Parent], grants[g.ReplacedBy]
		g.RevokedReason = replacedBy.ReplaceAllString(g.RevokedReason, "replaced")
	}
	for i := range s.Audit {
		e := &s.Audit[i]
		e.ID, e.Grant, e.Account = int64(len(s.Audit)-i), grants[e.Grant], accounts[e.Account]
		e.Detail = replacedBy.ReplaceAllString(e.Detail, "replaced")
	}
	for _, all := range []*[]account.Account{&s.Accounts, &s.Deleted} {
		*all = slices.Clone(*all)
		for i := range *all {
			(*all)[i].ID = accounts[(*all)[i].ID]
		}
	}
	for i := range s.Keys {
		s.Keys[i].ID = int64(i + 1)
	}
	return s
}

var replacedBy = regexp.MustCompile(`replaced by [0-9]+`)

// places maps each number to its place among all.
func places[T any](all []T, id func(T) int64) map[int64]int64 {
	var ids []int64
	for i := range all {
		ids = append(ids, id(all[i]))
	}
	slices.Sort(ids)
	of := map[int64]int64{}
	for i, n := range ids {
		of[n] = int64(i + 1)
	}
	return of
}

// faults wants the state to be that before the verb whenever it failed, or that after it where the COMMIT did, and a twin's
// in the end. No answer may come with an error.
func faults(k *kit, prepare func(*kit) func() error) {
	twin := newKit(k.T, k.engine)
	k.must(prepare(twin)())
	after := twin.state()
	verb := prepare(k)
	before := k.state()
	if cmp.Equal(before, after) {
		k.Fatal("the verb changes nothing: the test shows nothing")
	}
	last := ""
	for n := int64(1); ; n++ {
		op, err := k.failingAt(n, verb)
		now := k.state()
		if err == nil {
			if diff := cmp.Diff(after.renumbered(), now.renumbered()); diff != "" {
				k.Errorf("state at last (-twin +this):\n%s", diff)
			}
			equal(k, "last operation that can fail", last, "COMMIT")
			return
		}
		last = op
		equal(k, op+": code", token.CodeOf(err), token.Unavailable)
		if !errors.Is(err, errFault) {
			k.Errorf("%s: error is %v, want %v in it", op, err, errFault)
		}
		if op == "COMMIT" && cmp.Equal(after.renumbered(), now.renumbered()) {
			return // not known to the caller, but whole
		}
		if diff := cmp.Diff(before, now); diff != "" {
			k.Fatalf("%s failed and left half (-before +after):\n%s", op, diff)
		}
	}
}

// failingAt runs the verb with its n-th operation failing, and says which that was.
func (k *kit) failingAt(n int64, verb func() error) (op string, err error) {
	var count atomic.Int64
	var failed atomic.Value
	k.failWith(func(op string) error {
		if count.Add(1) == n {
			failed.Store(op)
			return errFault
		}
		return nil
	})
	err = verb()
	k.failWith(nil)
	op, _ = failed.Load().(string)
	return op, err
}

func prepareReplace(k *kit) func() error {
	v := k.replacing(k.issue(token.APIKey, "", k.person("ada")), 0)
	return func() error {
		out, err := k.Replace(ctx, v)
		if err != nil && out.Grant.ID != 0 {
			k.Errorf("an answer with an error: %+v", out)
		}
		return err
	}
}

func prepareEndReplaced(k *kit) func() error {
	old := k.issue(token.APIKey, "", k.person("ada"))
	k.replace(old, time.Hour)
	k.pass(time.Hour)
	return func() error {
		out, err := k.EndReplaced(ctx, server, k.now())
		if err != nil && len(out.Grants) > 0 {
			k.Errorf("an answer with an error: %+v", out)
		}
		return err
	}
}

func prepareIssue(k *kit) func() error {
	ada := k.person("ada")
	key := k.issue(token.APIKey, "", ada)
	for range 5 {
		k.issue(token.Pair, "samples", ada)
	}
	v := k.verb(token.Pair, "samples", ada)
	v.Grant.Parent = key.ID
	return func() error {
		out, err := k.Issue(ctx, v)
		if err != nil && (out.Grant != token.Grant{} || out.Ended != nil) {
			k.Errorf("failed with the answer %+v", out)
		}
		return err
	}
}

func prepareServiceKey(k *kit) func() error {
	v := token.IssueVerb{By: operator, Now: k.now(), SecretHash: []byte("first"), Grant: token.Grant{Service: "ecology", Kind: token.ServiceKey}}
	k.issueVerb(v)
	v.SecretHash = []byte("second")
	return func() error { _, err := k.Issue(ctx, v); return err }
}

func rotating(k *kit, v token.RotateVerb, want token.Outcome) func() error {
	return func() error {
		r, err := k.Rotate(ctx, v)
		switch {
		case err == nil:
			equal(k, "outcome", r.Outcome, want)
		case r.Outcome != "":
			k.Errorf("failed with the answer %+v", r)
		}
		return err
	}
}

// member makes an account that the service staff admits.
func (k *kit) member(name string) int64 {
	k.Helper()
	id := k.person(name)
	_, err := k.AddGroup(ctx, by, k.now(), "staff", strings.Repeat("e", 32), "")
	k.must(err)
	k.must(k.AddMember(ctx, by, k.now(), "staff", name))
	return id
}

func prepareRotate(k *kit) func() error {
	g := k.issue(token.Session, "staff", k.member("ada"))
	return rotating(k, k.present(g, 0), token.RotatedNow)
}

// prepareRotateOpen is of a service that admits everybody, where one statement is enough.
func prepareRotateOpen(k *kit) func() error {
	g := k.issue(token.Session, "samples", k.person("ada"))
	return rotating(k, k.present(g, 0), token.RotatedNow)
}

func prepareReuse(k *kit) func() error {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	k.rotate(g, 1, token.RotatedNow)
	return rotating(k, k.present(g, 0), token.RotateReused)
}

func prepareRaced(k *kit) func() error {
	g := k.issue(token.Pair, "samples", k.person("ada"))
	k.rotate(g, 0, token.RotatedNow)
	return rotating(k, k.present(g, 0), token.RotateRaced)
}

func prepareRevoke(k *kit) func() error {
	ada := k.person("ada")
	for _, kind := range []token.GrantKind{token.Session, token.Pair, token.Session} {
		k.issue(kind, "ecology", ada)
	}
	v := token.RevokeVerb{By: operator, Now: k.now(), Reason: "test", Account: ada, Service: "ecology", Kinds: []token.GrantKind{token.Session, token.Pair}}
	return func() error {
		ended, err := k.Revoke(ctx, v)
		if err != nil && ended.Grants != nil {
			k.Errorf("failed with the answer %+v", ended)
		}
		return err
	}
}

// team makes a group of ada's with her and bob in it, and grants of both.
func (k *kit) team() (ada int64) {
	ada, bob := k.person("ada"), k.person("bob")
	group, err := k.AddGroup(ctx, by, k.now(), "lab", strings.Repeat("f", 32), "ada")
	k.must(err)
	k.must(k.AddMember(ctx, by, k.now(), "lab", "ada"))
	k.must(k.AddMember(ctx, by, k.now(), "lab", "bob"))
	k.setAttrs("ada", map[string]string{"samples.user_codes": "ABC"})
	k.issue(token.Session, "ecology", ada)
	k.issue(token.Session, "ecology", bob)
	v := k.verb(token.APIKey, "", ada)
	v.Grant.Group = group.ID
	k.issueVerb(v)
	return ada
}

func prepareDelete(k *kit) func() error {
	v := token.RevokeVerb{By: operator, Now: k.now(), Account: k.team(), Status: account.Deleted, Reason: "left"}
	return func() error { _, err := k.Revoke(ctx, v); return err }
}

func prepareAddAccount(k *kit) func() error {
	k.team()
	v := account.AddVerb{By: by, Now: k.now(), Name: "eve", Type: account.Person, Groups: []string{"lab"},
		Identities: []account.Identity{{Provider: "orcid", Subject: "0000-0002-1825-0097"}}}
	return func() error { _, err := k.AddAccount(ctx, v); return err }
}

func prepareSetAccount(k *kit) func() error {
	k.team()
	display := "Ada King"
	v := account.SetVerb{By: by, Now: k.now(), Name: "ada", Display: &display, RemoveGroups: []string{"lab"},
		Attrs: map[string]string{"samples.user_codes": "", "samples.more": "x"}}
	return func() error { _, err := k.SetAccount(ctx, v); return err }
}

func prepareUnlink(k *kit) func() error {
	ada := k.team()
	k.must(k.Link(ctx, k.linkVerb(ada, orcid.Provider, orcid.Subject)))
	return func() error { return k.Unlink(ctx, k.unlinkVerb(ada, orcid.Provider, orcid.Subject)) }
}

func prepareJoin(k *kit) func() error {
	ada := k.team()
	eve := k.bare("eve", orcid)
	k.issue(token.Session, "ecology", eve)
	k.addReset("ada", 1)
	return func() error { return k.join(eve, ada) }
}

func prepareUseReset(k *kit) func() error {
	ada := k.team()
	k.browser(ada, 1)
	k.browser(ada, 2)
	k.addReset("ada", 1)
	return func() error {
		id, err := k.useReset(1, "$new")
		if err != nil && id != 0 {
			k.Errorf("failed with the answer %d", id)
		}
		return err
	}
}

func prepareProlong(k *kit) func() error {
	g := k.browser(k.team(), 1)
	return func() error {
		g, err := k.Prolong(ctx, token.ProlongVerb{Now: k.now(), Grant: g.ID, Until: k.now().Add(13 * time.Hour)})
		if err != nil && (g != token.Grant{}) {
			k.Errorf("failed with the answer %+v", g)
		}
		return err
	}
}

func prepareDeleteGroup(k *kit) func() error {
	k.team()
	return func() error { return k.DeleteGroup(ctx, by, start, "lab") }
}

func prepareNewEpoch(k *kit) func() error {
	k.team()
	return func() error { _, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: start}); return err }
}

func prepareAddKey(k *kit) func() error {
	key := keyring.Key{Service: "samples", Purpose: "access", Alg: "ES256", KID: "one", State: "signing", CreatedAt: start, Sealed: []byte{1}}
	first, err := k.AddKey(ctx, key)
	k.must(err)
	key.KID = "two"
	return func() error { _, err := k.ReplaceKey(ctx, first.ID, start.Add(day), key); return err }
}

func preparePurge(k *kit) func() error {
	k.team()
	k.pass(40 * day)
	return func() error {
		_, removed, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Batch: 100, Retention: token.Retention{AuditKeep: 10 * day}})
		if err != nil && removed != 0 {
			k.Errorf("failed with %d removed", removed)
		}
		return err
	}
}
