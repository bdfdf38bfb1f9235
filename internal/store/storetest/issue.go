package storetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var issueTests = map[string]func(*kit){
	"IssueReadsBack":           issueReadsBack,
	"IssueRefusals":            issueRefusals,
	"IssueRestricted":          issueRestricted,
	"IssueLimitOldestEnd":      issueLimitOldestEnd,
	"IssueLimitUnderRace":      issueLimitUnderRace,
	"IssueRacingDisable":       issueRacingDisable,
	"IssueHangUpInMidBatch":    issueHangUpInMidBatch,
	"IssueServiceKey":          issueServiceKey,
	"IssueSubjectsNeverReused": issueSubjectsNeverReused,
	"IssueSubjectOfNewService": issueSubjectOfNewService,
	"IssueKeyBySecret":         issueKeyBySecret,
	"IssueActingForGroup":      issueActingForGroup,
	"IssueRaisesTheHead":       issueRaisesTheHead,
}

func issueRaisesTheHead(k *kit) {
	head := func() int64 {
		top, err := k.Head(ctx)
		k.must(err)
		return top
	}
	equal(k, "head of no grants", head(), 0)
	ada := k.person("ada")
	first := k.issue(token.Pair, "samples", ada)
	equal(k, "head", head(), first.ID)
	_, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: k.now()})
	k.must(err)
	jumped := k.issue(token.Pair, "samples", ada)
	equal(k, "head", head(), jumped.ID)
}

func issueReadsBack(k *kit) {
	ada := k.person("ada")
	v := k.verb(token.Pair, "samples", ada)
	v.Grant.Label, v.Grant.Scope = "laptop", "read"
	out := k.issueVerb(v)
	if diff := cmp.Diff(k.grant(out.Grant.ID), out.Grant); diff != "" {
		k.Errorf("the grant given differs from the one stored (-stored +given):\n%s", diff)
	}
	equal(k, "subject", out.Grant.Subject, "1")
	equal(k, "name", out.Subject.Name, "ada")
	equal(k, "address", out.Grant.Addr, "192.0.2.7")
	equal(k, "issued at", out.Grant.IssuedAt, start)
	equal(k, "audit lines", k.lines(audit.Issued, out.Grant.ID), 1)
	all, err := k.List(ctx, token.Filter{Account: ada, Service: "samples", Kinds: []token.GrantKind{token.Session, token.Pair}})
	k.must(err)
	if diff := cmp.Diff([]token.Grant{out.Grant}, all); diff != "" {
		k.Errorf("list (-want +got):\n%s", diff)
	}
	first := k.issue(token.Session, "samples", ada)
	second := k.issue(token.Session, "samples", ada)
	all, err = k.List(ctx, token.Filter{Account: ada, Before: second.ID, Limit: 1})
	k.must(err)
	if len(all) != 1 || all[0].ID != first.ID {
		k.Errorf("before %d there is %v, want %d alone", second.ID, all, first.ID)
	}
	_, err = k.Grant(ctx, 4711)
	k.refused(err, token.NotFound)
}

func issueRefusals(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	key := k.issue(token.APIKey, "", ada)
	short := k.verb(token.APIKey, "", ada)
	short.Grant.ExpiresAt = k.now().Add(time.Second)
	expired := k.issueVerb(short).Grant
	dead := k.issue(token.APIKey, "", ada)
	k.revoke(token.RevokeVerb{Grant: dead.ID})
	k.revoke(token.RevokeVerb{Account: bob, Status: account.Disabled})
	k.pass(time.Second)
	g := func(edit func(*token.Grant)) token.Grant {
		g := token.Grant{Account: ada, Service: "samples", Kind: token.Pair, Nonce: 1, ExpiresAt: k.now().Add(day)}
		edit(&g)
		return g
	}
	for what, c := range map[string]struct {
		grant token.Grant
		want  token.Code
	}{
		"unknown service":     {g(func(g *token.Grant) { g.Service = "nowhere" }), token.NotFound},
		"unknown account":     {g(func(g *token.Grant) { g.Account = 99 }), token.NotFound},
		"disabled account":    {g(func(g *token.Grant) { g.Account = bob }), token.Forbidden},
		"unknown parent":      {g(func(g *token.Grant) { g.Parent = 99 }), token.NotFound},
		"revoked parent":      {g(func(g *token.Grant) { g.Parent = dead.ID }), token.Revoked},
		"expired parent":      {g(func(g *token.Grant) { g.Parent = expired.ID }), token.Expired},
		"another's parent":    {g(func(g *token.Grant) { g.Parent, g.Account = key.ID, k.person("eve") }), token.NotFound},
		"group that is not":   {g(func(g *token.Grant) { g.Group = 99 }), token.NotFound},
		"person's for robots": {g(func(g *token.Grant) { g.Kind = token.Application }), token.Forbidden},
		"service not allowed": {g(func(g *token.Grant) { g.Service = "staff" }), token.Forbidden},
	} {
		before := len(k.live(token.Filter{}))
		_, err := k.Issue(ctx, token.IssueVerb{By: token.Caller{Actor: "account"}, Now: k.now(), Grant: c.grant})
		k.refused(err, c.want)
		equal(k, what+": live grants", len(k.live(token.Filter{})), before)
	}
}

func issueRestricted(k *kit) {
	ada := k.person("ada")
	v := k.verb(token.Session, "staff", ada)
	v.By.Operator = true
	g := k.issueVerb(v).Grant // the operator is not bound by who may use it, but the refresh is
	_, err := k.Rotate(ctx, k.present(g, 0))
	k.refused(err, token.Forbidden)
	equal(k, "generation", k.grant(g.ID).Generation, 0)
	_, err = k.AddGroup(ctx, by, k.now(), "staff", strings.Repeat("a", 32), "")
	k.must(err)
	k.must(k.AddMember(ctx, by, k.now(), "staff", "ada"))
	g = k.issue(token.Session, "staff", ada)
	k.rotate(g, 0, token.RotatedNow)
	k.must(k.RemoveMember(ctx, by, k.now(), "staff", "ada"))
	_, err = k.Rotate(ctx, k.present(g, 1))
	k.refused(err, token.Forbidden)
	same := k.present(g, 0)
	same.Replay = token.SameReplay
	_, err = k.Rotate(ctx, same)
	k.refused(err, token.Forbidden)
	equal(k, "generation", k.grant(g.ID).Generation, 1)
	k.pass(2 * time.Minute) // a theft is one also where the account is no longer admitted
	k.rotate(g, 0, token.RotateReused)
}

func issueLimitOldestEnd(k *kit) {
	ada := k.person("ada")
	var pairs []token.Grant
	for range 5 {
		pairs = append(pairs, k.issue(token.Pair, "samples", ada))
	}
	session := k.issue(token.Session, "samples", ada) // another kind does not count
	k.pass(time.Minute)
	k.rotate(pairs[0], 0, token.RotatedNow) // counts once, and now ends last
	k.pass(time.Minute)
	out := k.issueVerb(k.verb(token.Pair, "samples", ada))
	if diff := cmp.Diff([]int64{pairs[1].ID}, out.Ended); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
	victim := k.grant(pairs[1].ID)
	equal(k, "reason", victim.RevokedReason, "limit")
	equal(k, "audit lines", k.lines(audit.EndedByLimit, victim.ID), 1)
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, victim.ID)), 1)
	want := []int64{pairs[0].ID, pairs[2].ID, pairs[3].ID, pairs[4].ID, session.ID, out.Grant.ID}
	if diff := cmp.Diff(want, k.live(token.Filter{Account: ada})); diff != "" {
		k.Errorf("live (-want +got):\n%s", diff)
	}
}

func issueLimitUnderRace(k *kit) {
	ada := k.person("ada")
	var ended sync.Map
	var most atomic.Int64
	together(24, func(i int) {
		if i%3 == 2 {
			most.Store(max(most.Load(), int64(len(k.live(token.Filter{Account: ada, Kinds: []token.GrantKind{token.Pair}})))))
			return
		}
		out, err := k.Issue(ctx, k.verb(token.Pair, "samples", ada))
		if err != nil {
			k.Error(err)
		}
		for _, id := range out.Ended {
			if _, twice := ended.LoadOrStore(id, true); twice {
				k.Errorf("grant %d ended twice", id)
			}
		}
	})
	if most.Load() > 5 {
		k.Errorf("%d pairs were live at once, want at most 5", most.Load())
	}
	all, err := k.List(ctx, token.Filter{Account: ada})
	k.must(err)
	equal(k, "pairs", len(all), 16)
	slices.Reverse(all)
	for i, g := range all { // equal ends: the smallest numbers go
		equal(k, name("live pair ", i), g.Live(k.now()), i >= 11)
	}
}

func issueRacingDisable(k *kit) {
	for round := range 10 {
		id := k.person(name("p", round))
		together(8, func(i int) {
			if i == 4 {
				k.revoke(token.RevokeVerb{Account: id, Status: account.Disabled})
				return
			}
			kind, service := token.Pair, "samples"
			if i%2 == 1 {
				kind, service = token.APIKey, ""
			}
			if _, err := k.Issue(ctx, k.verb(kind, service, id)); err != nil {
				k.refused(err, token.Forbidden)
			}
		})
		if live := k.live(token.Filter{Account: id}); len(live) > 0 {
			k.Errorf("round %d: the disabled account has live grants %v", round, live)
		}
	}
}

func issueHangUpInMidBatch(k *kit) {
	ada := k.person("ada")
	hung, hangUp := context.WithCancel(ctx)
	var once sync.Once
	k.failWith(func(op string) error { // the client goes while a batch is being written
		if strings.HasPrefix(op, "query INSERT INTO grants") {
			once.Do(hangUp)
		}
		return nil
	})
	var made [8]int64
	together(8, func(i int) {
		c := ctx
		if i == 3 {
			c = hung
		}
		out, err := k.Issue(c, k.verb(token.Session, "samples", ada))
		made[i] = out.Grant.ID
		if err != nil && (i != 3 || !strings.Contains(err.Error(), context.Canceled.Error())) {
			k.Errorf("client %d: %v", i, err)
		}
	})
	slices.Sort(made[:])
	want := slices.DeleteFunc(made[:], func(id int64) bool { return id == 0 })
	if diff := cmp.Diff(want, k.live(token.Filter{Account: ada})); diff != "" {
		k.Errorf("what was answered and what is stored (-answered +stored):\n%s", diff)
	}
}

func issueServiceKey(k *kit) {
	issue := func(service string, secret byte) (token.Issued, error) {
		return k.Issue(ctx, token.IssueVerb{By: operator, Now: k.now(), SecretHash: slices.Repeat([]byte{secret}, 32),
			Grant: token.Grant{Service: service, Kind: token.ServiceKey, Nonce: 7}})
	}
	first, err := issue("ecology", 1)
	k.must(err)
	equal(k, "account", first.Grant.Account, 0)
	k.pass(time.Hour)
	again, err := issue("ecology", 1)
	k.must(err)
	if diff := cmp.Diff(first.Grant, again.Grant); diff != "" {
		k.Errorf("the same secret gave another grant (-first +again):\n%s", diff)
	}
	_, err = issue("samples", 1)
	k.refused(err, token.Conflict)
	second, err := issue("ecology", 2)
	k.must(err)
	if diff := cmp.Diff([]int64{first.Grant.ID}, second.Ended); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
	back, err := issue("ecology", 1)
	k.must(err)
	if back.Grant.ID == first.Grant.ID || !back.Grant.RevokedAt.IsZero() {
		k.Errorf("going back to the first secret gave %+v, want a new grant", back.Grant)
	}
	k.revoke(token.RevokeVerb{Grant: back.Grant.ID})
	dead, err := issue("ecology", 1)
	k.must(err)
	equal(k, "grant of a revoked service key", dead.Grant.ID, back.Grant.ID)
	equal(k, "state", dead.Grant.State(k.now()), "revoked")
}

func issueSubjectsNeverReused(k *kit) {
	k.person("ada")
	bob := k.person("bob")
	sub, err := k.Subject(ctx, "samples", bob, 0)
	k.must(err)
	equal(k, "subject", sub.ID, "2")
	k.revoke(token.RevokeVerb{Account: bob, Status: account.Deleted})
	_, err = k.SubjectByID(ctx, "samples", "2")
	k.refused(err, token.NotFound)
	eve, err := k.Subject(ctx, "samples", k.person("eve"), 0)
	k.must(err)
	equal(k, "subject after a deletion", eve.ID, "3")
	found, err := k.SubjectByID(ctx, "samples", "3")
	k.must(err)
	if diff := cmp.Diff(eve, found); diff != "" {
		k.Errorf("subject by id (-want +got):\n%s", diff)
	}
	k.opts.Services[0].NewSubject = func(s token.Subject) string { return map[string]string{"old": "1000"}[s.Name] }
	k.reopen()
	for who, want := range map[string]string{"old": "1000"} { // kept from an import: the numbers go on above it
		sub, err := k.Subject(ctx, "samples", k.person(who), 0)
		k.must(err)
		equal(k, "kept subject", sub.ID, want)
	}
	sub, err = k.Subject(ctx, "samples", k.person("new"), 0)
	k.must(err)
	equal(k, "next subject", sub.ID, "1001")
}

func issueSubjectOfNewService(k *kit) {
	ada := k.person("ada")
	k.opts.Services = append(k.opts.Services, &token.Service{Name: "later", Rotates: true})
	k.reopen()
	var ids sync.Map
	together(8, func(int) {
		sub, err := k.Subject(ctx, "later", ada, 0)
		if err != nil {
			k.Error(err)
		}
		ids.Store(sub.ID, true)
	})
	ids.Range(func(id, _ any) bool {
		equal(k, "subject", id.(string), "1")
		return true
	})
}

func issueKeyBySecret(k *kit) {
	ada := k.person("ada")
	v := k.verb(token.APIKey, "", ada)
	hash := [32]byte{9}
	v.SecretHash, v.Grant.Preview = hash[:], "abcde"
	key := k.issueVerb(v).Grant
	found, err := k.KeyBySecret(ctx, hash)
	k.must(err)
	if diff := cmp.Diff(key, found); diff != "" {
		k.Errorf("key by secret (-want +got):\n%s", diff)
	}
	_, err = k.KeyBySecret(ctx, [32]byte{8})
	k.refused(err, token.NotFound)
	_, err = k.Issue(ctx, v)
	k.refused(err, token.Conflict)
	k.must(k.Touch(ctx, []token.Use{{Grant: key.ID, At: k.now(), Count: 3}, {Grant: key.ID, At: k.now().Add(-time.Hour), Count: 2}, {Grant: 99}}))
	used := k.grant(key.ID)
	equal(k, "uses", used.UseCount, 5)
	equal(k, "last use", used.LastUsedAt, k.now())
}

func issueActingForGroup(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	group, err := k.AddGroup(ctx, by, k.now(), "lab", strings.Repeat("b", 32), "ada")
	k.must(err)
	sub, err := k.Subject(ctx, "ecology", ada, group.ID)
	k.must(err)
	if sub.Acting == nil || sub.Acting.Name != "lab" {
		k.Errorf("acting for %v, want the group lab", sub.Acting)
	}
	_, err = k.Subject(ctx, "ecology", bob, group.ID)
	k.refused(err, token.NotFound)
	v := k.verb(token.APIKey, "", ada)
	v.Grant.Group = group.ID
	key := k.issueVerb(v).Grant
	own := k.issue(token.APIKey, "", ada)
	v.Grant.Account = bob
	_, err = k.Issue(ctx, v)
	k.refused(err, token.NotFound)
	k.must(k.DeleteGroup(ctx, by, k.now(), "lab"))
	equal(k, "state of the group's key", k.grant(key.ID).State(k.now()), "revoked")
	equal(k, "state of the account's own key", k.grant(own.ID).State(k.now()), "live")
}
