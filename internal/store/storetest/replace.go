package storetest

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/token"
)

var replaceTests = map[string]func(*kit){
	"ReplaceOverlaps":  replaceOverlaps,
	"ReplaceAtOnce":    replaceAtOnce,
	"ReplaceEndsOnce":  replaceEndsOnce,
	"ReplaceRefusals":  replaceRefusals,
	"ReplaceRacing":    replaceRacing,
	"ReplaceMakesRoom": replaceMakesRoom,
	"ReplaceOwnEnd":    replaceOwnEnd,
}

// replacing asks for a grant like old in its place.
func (k *kit) replacing(old token.Grant, overlap time.Duration) token.ReplaceVerb {
	v := k.verb(old.Kind, old.Service, old.Account)
	return token.ReplaceVerb{IssueVerb: v, Old: old.ID, Until: k.now().Add(overlap)}
}

func (k *kit) replace(old token.Grant, overlap time.Duration) token.Issued {
	k.Helper()
	out, err := k.Replace(ctx, k.replacing(old, overlap))
	k.must(err)
	return out
}

var server = token.Caller{Actor: "server", Operator: true}

// endReplaced does what a server does every few seconds, and returns what ended.
func (k *kit) endReplaced() (all []int64) {
	k.Helper()
	for {
		ended, err := k.EndReplaced(ctx, server, k.now())
		k.must(err)
		if len(ended.Grants) == 0 {
			return all
		}
		all = append(all, ended.Grants...)
	}
}

// The old key goes on for the overlap with what was made by it, then ends for good, also across a restart.
func replaceOverlaps(k *kit) {
	ada := k.person("ada")
	old := k.issue(token.APIKey, "", ada)
	v := k.verb(token.Pair, "samples", ada)
	v.Grant.Parent = old.ID
	child := k.issueVerb(v).Grant
	out := k.replace(old, time.Hour)
	equal(k, "ended", len(out.Ended), 0)
	now := k.grant(old.ID)
	equal(k, "replaced by", now.ReplacedBy, out.Grant.ID)
	equal(k, "end of the old one", now.ExpiresAt, k.now().Add(time.Hour))
	equal(k, "cap of the old one", now.Cap, old.Cap)
	equal(k, "audit lines of replacing", k.lines(audit.Replaced, old.ID), 1)
	equal(k, "audit lines of issuing", k.lines(audit.Issued, out.Grant.ID), 1)
	k.pass(time.Hour - time.Millisecond)
	equal(k, "ended before the end", len(k.endReplaced()), 0)
	equal(k, "state before the end", k.grant(old.ID).State(k.now()), "live")
	k.pass(time.Millisecond)
	equal(k, "state at the end, before anybody revokes", k.grant(old.ID).State(k.now()), "expired")
	v = k.verb(token.Pair, "samples", ada)
	v.Grant.Parent = old.ID
	_, err := k.Issue(ctx, v)
	k.refused(err, token.Expired)
	k.reopen()
	k.pass(100 * day) // no server ran
	if diff := cmp.Diff([]int64{old.ID, child.ID}, k.endReplaced()); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
	equal(k, "state of the old one", k.grant(old.ID).State(k.now()), "revoked")
	if reason := k.grant(old.ID).RevokedReason; !strings.HasPrefix(reason, "replaced by ") {
		k.Errorf("the reason is %q", reason)
	}
	equal(k, "actor", k.events(old.ID)[0].Actor, "server")
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, old.ID)), 1)
	equal(k, "feed entries of the child", k.inFeed(ofGrant(token.EntryGrant, child.ID)), 1)
	equal(k, "reason of the new one", k.grant(out.Grant.ID).RevokedReason, "")
	equal(k, "ended again", len(k.endReplaced()), 0)
}

func replaceAtOnce(k *kit) {
	ada := k.person("ada")
	k.issue(token.Session, "ecology", ada)
	old := k.issue(token.APIKey, "", ada)
	out := k.replace(old, 0)
	if diff := cmp.Diff([]int64{old.ID}, out.Ended); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
	equal(k, "state", k.grant(old.ID).State(k.now()), "revoked")
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, old.ID)), 1)
	equal(k, "audit lines", k.lines(audit.Revoked, old.ID), 1)
	equal(k, "cut-offs", k.inFeed(func(e token.Entry) bool { return e.Kind == token.EntryCutoff }), 0)
	equal(k, "state of the new one", k.grant(out.Grant.ID).State(k.now()), "live")
}

// Servers that look at the same moment end a grant once, and what was revoked meanwhile is left alone.
func replaceEndsOnce(k *kit) {
	ada := k.person("ada")
	var old []token.Grant
	for range 4 {
		g := k.issue(token.APIKey, "", ada)
		k.replace(g, time.Minute)
		old = append(old, g)
	}
	k.revoke(token.RevokeVerb{Grant: old[0].ID, Reason: "lost"})
	k.pass(time.Minute)
	var ended atomic.Int64
	together(4, func(int) {
		for range 8 {
			out, err := k.EndReplaced(ctx, server, k.now())
			k.must(err)
			ended.Add(int64(len(out.Grants)))
		}
	})
	equal(k, "ended", ended.Load(), 3)
	for _, g := range old {
		equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, g.ID)), 1)
	}
	equal(k, "reason of the one revoked before", k.grant(old[0].ID).RevokedReason, "lost")
}

func replaceRefusals(k *kit) {
	ada, bob, robot := k.person("ada"), k.person("bob"), k.robot("robot")
	refused := func(what string, v token.ReplaceVerb, want token.Code) {
		k.Helper()
		before := k.state()
		_, err := k.Replace(ctx, v)
		k.refused(err, want)
		if diff := cmp.Diff(before, k.state()); diff != "" {
			k.Errorf("%s changed something (-before +after):\n%s", what, diff)
		}
	}
	key, pair, app := k.issue(token.APIKey, "", ada), k.issue(token.Pair, "samples", ada), k.issue(token.Application, "samples", robot)
	other := k.replacing(key, 0)
	other.Grant.Account = bob
	refused("another's", other, token.NotFound)
	v := k.replacing(key, 0)
	v.Old = pair.ID
	refused("a pair by a key", v, token.NotFound)
	elsewhere := k.replacing(app, 0)
	elsewhere.Grant.Service = "staff"
	refused("an application token of another service", elsewhere, token.NotFound)
	v.Old = 99
	refused("none", v, token.NotFound)
	k.replace(key, time.Hour)
	refused("again", k.replacing(key, 0), token.Conflict)
	k.pass(time.Hour)
	refused("past its end", k.replacing(key, 0), token.Expired)
	k.endReplaced()
	refused("revoked", k.replacing(key, 0), token.Revoked)
	last := k.issue(token.APIKey, "", bob)
	k.revoke(token.RevokeVerb{Account: bob, Status: account.Disabled})
	refused("of a disabled account", k.replacing(last, 0), token.Revoked)
}

// Of many that replace one key at once, one does.
func replaceRacing(k *kit) {
	old := k.issue(token.APIKey, "", k.person("ada"))
	var made atomic.Int64
	together(8, func(int) {
		_, err := k.Replace(ctx, k.replacing(old, time.Hour))
		if err == nil {
			made.Add(1)
			return
		}
		k.refused(err, token.Conflict)
	})
	equal(k, "made", made.Load(), 1)
	equal(k, "live", len(k.live(token.Filter{})), 2)
}

// Under a limit it is the replaced one that makes room, and no other.
func replaceMakesRoom(k *kit) {
	k.opts.Services[0].Limits[token.Application] = 2
	robot := k.robot("robot")
	first, second := k.issue(token.Application, "samples", robot), k.issue(token.Application, "samples", robot)
	out := k.replace(second, 0)
	if diff := cmp.Diff([]int64{second.ID}, out.Ended); diff != "" {
		k.Errorf("ended at once (-want +got):\n%s", diff)
	}
	again := k.replace(out.Grant, time.Hour)
	if diff := cmp.Diff([]int64{out.Grant.ID}, again.Ended); diff != "" {
		k.Errorf("ended with an overlap (-want +got):\n%s", diff)
	}
	equal(k, "state of the other", k.grant(first.ID).State(k.now()), "live")
	equal(k, "ended later", len(k.endReplaced()), 0)
}

// An overlap gives nothing more life than it had.
func replaceOwnEnd(k *kit) {
	old := k.issue(token.APIKey, "", k.person("ada"))
	k.pass(90*day - time.Minute)
	k.replace(old, day)
	equal(k, "end", k.grant(old.ID).ExpiresAt, old.ExpiresAt)
	app := k.issue(token.Application, "samples", k.robot("robot")) // without an end
	k.replace(app, day)
	equal(k, "end of the application token", k.grant(app.ID).ExpiresAt, k.now().Add(day))
	k.pass(day)
	if diff := cmp.Diff([]int64{old.ID, app.ID}, k.endReplaced()); diff != "" {
		k.Errorf("ended (-want +got):\n%s", diff)
	}
}
