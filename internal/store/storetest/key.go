package storetest

import (
	"errors"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/audit"
	"symbolon/internal/keyring"
	"symbolon/internal/token"
)

var keyTests = map[string]func(*kit){
	"KeysTwoStartersAgree": keysTwoStartersAgree,
	"KeysReplace":          keysReplace,
	"KeysInstallation":     keysInstallation,
	"KeysPublishOnce":      keysPublishOnce,
	"KeysPromote":          keysPromote,
	"KeysRemove":           keysRemove,
	"KeysReseal":           keysReseal,
	"KeysOfOtherMaster":    keysOfOtherMaster,
	"KeysApplications":     keysApplications,
}

var act = keyring.Act{By: "operator", At: start}

// published is a key that is to follow.
func published(kid string) keyring.Key {
	next := signingKey(kid)
	next.State, next.Pinned, next.SignFrom = "published", false, time.Time{}
	return next
}

// keysAre wants the keys' kids and states.
func (k *kit) keysAre(want ...string) {
	k.Helper()
	all, err := k.Keys(ctx)
	k.must(err)
	var got []string
	for _, key := range all {
		got = append(got, key.KID+" "+key.State)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		k.Errorf("keys (-want +got):\n%s", diff)
	}
}

// keyNews counts the feed's entries about keys.
func (k *kit) keyNews() int {
	return k.inFeed(func(e token.Entry) bool { return e.Kind == token.EntryKeys })
}

func keysPublishOnce(k *kit) {
	_, err := k.AddKey(ctx, signingKey("one"))
	k.must(err)
	together(8, func(i int) {
		if err := k.PublishKey(ctx, act, published(name("next", i))); err != nil {
			k.Error(err)
		}
	})
	all, err := k.Keys(ctx)
	k.must(err)
	if len(all) != 2 || all[1].State != "published" || !all[1].SignFrom.IsZero() {
		k.Errorf("eight servers published %+v", all)
	}
	equal(k, "feed entries", k.keyNews(), 2)
	equal(k, "audit lines", k.lines(audit.KeyAdded, 0), 2)
}

func keysPromote(k *kit) {
	one, err := k.AddKey(ctx, signingKey("one"))
	k.must(err)
	k.must(k.PublishKey(ctx, act, published("two")))
	all, err := k.Keys(ctx)
	k.must(err)
	at := keyring.Act{By: "server", At: start.Add(day)}
	together(8, func(int) {
		if err := k.PromoteKey(ctx, at, all[1].ID, one.ID, start.Add(2*day)); err != nil {
			k.Error(err)
		}
	})
	k.reopen()
	k.keysAre("one verifying", "two signing")
	all, err = k.Keys(ctx)
	k.must(err)
	if !all[0].SignUntil.Equal(at.At) || !all[0].VerifyUntil.Equal(start.Add(2*day)) || !all[1].SignFrom.Equal(at.At) {
		k.Errorf("times are %+v", all)
	}
	equal(k, "audit lines", k.lines(audit.KeySigns, 0), 1)
	equal(k, "feed entries", k.keyNews(), 3)
	k.must(k.PromoteKey(ctx, at, one.ID, all[1].ID, time.Time{})) // neither is what it would have to be
	k.must(k.PromoteKey(ctx, at, 4711, all[1].ID, time.Time{}))
	k.keysAre("one verifying", "two signing")
}

func keysRemove(k *kit) {
	one, err := k.AddKey(ctx, signingKey("one"))
	k.must(err)
	k.must(k.PublishKey(ctx, act, published("two")))
	k.refused(k.RemoveKey(ctx, act, one.ID, nil), token.Conflict)
	three := signingKey("three")
	k.failWith(func(op string) error {
		if strings.Contains(op, "INSERT INTO signing_keys") {
			return errors.New("disk full")
		}
		return nil
	})
	if err := k.RemoveKey(ctx, act, one.ID, &three); err == nil {
		k.Error("no error from a full disk")
	}
	k.failWith(nil)
	k.keysAre("one signing", "two published")
	k.must(k.RemoveKey(ctx, act, one.ID, &three))
	k.reopen()
	k.keysAre("one gone", "two gone", "three signing")
	all, err := k.Keys(ctx)
	k.must(err)
	for _, key := range all[:2] {
		if len(key.Sealed) != 0 || !key.VerifyUntil.Equal(act.At) {
			k.Errorf("a key that is gone: %+v", key)
		}
	}
	if !all[0].SignUntil.Equal(act.At) || !all[1].SignUntil.IsZero() {
		k.Errorf("they signed until %v and %v", all[0].SignUntil, all[1].SignUntil)
	}
	equal(k, "audit lines", k.lines(audit.KeyRemoved, 0), 2)
	news := k.keyNews()
	k.must(k.RemoveKey(ctx, act, one.ID, nil))
	k.must(k.RemoveKey(ctx, act, 4711, nil))
	equal(k, "feed entries of nothing", k.keyNews(), news)
}

func keysReseal(k *kit) {
	mac := signingKey("mac")
	mac.Service, mac.Purpose = "", "mac"
	_, err := k.AddKey(ctx, mac)
	k.must(err)
	_, err = k.AddKey(ctx, signingKey("one"))
	k.must(err)
	reseal := func(seals ...keyring.Seal) bool {
		k.Helper()
		done, err := k.Reseal(ctx, act, seals)
		k.must(err)
		return done
	}
	first := keyring.Seal{ID: 1, Was: []byte("sealed mac"), Now: []byte("new mac"), Master: "m2"}
	second := keyring.Seal{ID: 2, Was: []byte("sealed one"), Now: []byte("new one"), Master: "m2"}
	wrong := second
	wrong.Was = []byte("another")
	equal(k, "sealed but for one", reseal(first), false)
	equal(k, "sealed where one had another seal", reseal(first, wrong), false)
	sealed := func() (all string) {
		keys, err := k.Keys(ctx)
		k.must(err)
		for _, key := range keys {
			all += string(key.Sealed) + "/" + key.Master + " "
		}
		return all
	}
	equal(k, "seals", sealed(), "sealed mac/ sealed one/ ")
	equal(k, "sealed", reseal(first, second), true)
	k.reopen()
	equal(k, "seals", sealed(), "new mac/m2 new one/m2 ")
	equal(k, "audit lines", k.lines(audit.KeysResealed, 0), 1)
}

// keysOfOtherMaster: a key under a master key that is on its way out would be lost with it.
func keysOfOtherMaster(k *kit) {
	mac := signingKey("mac")
	mac.Service, mac.Purpose, mac.Master = "", "mac", "m2"
	_, err := k.AddKey(ctx, mac)
	k.must(err)
	one := signingKey("one")
	one.Master = "m2"
	placed, err := k.AddKey(ctx, one)
	k.must(err)
	other, next := signingKey("other"), published("next")
	other.Master, next.Master = "m1", "m1"
	_, err = k.ReplaceKey(ctx, placed.ID, time.Time{}, other)
	k.refused(err, token.Conflict)
	k.refused(k.PublishKey(ctx, act, next), token.Conflict)
	k.refused(k.RemoveKey(ctx, act, placed.ID, &other), token.Conflict)
	other.Service = "ecology"
	_, err = k.AddKey(ctx, other)
	k.refused(err, token.Conflict)
	k.keysAre("mac signing", "one signing")
}

func keysApplications(k *kit) {
	robot := k.robot("robot")
	var ids []int64
	for range 3 {
		ids = append(ids, k.issue(token.Application, "ecology", robot).ID)
		k.pass(time.Hour)
	}
	k.issue(token.Pair, "ecology", robot)
	got := func(service string, from, to time.Duration) (all []int64) {
		k.Helper()
		grants, err := k.Applications(ctx, service, start.Add(from), start.Add(to))
		k.must(err)
		for _, g := range grants {
			all = append(all, g.ID)
		}
		return all
	}
	for _, c := range []struct {
		service  string
		from, to time.Duration
		want     []int64
	}{{"ecology", -time.Hour, day, ids}, {"ecology", 0, time.Hour, ids[:1]}, {"ecology", time.Minute, 2 * time.Hour, ids[1:2]}, {"samples", -day, day, nil}} {
		if diff := cmp.Diff(c.want, got(c.service, c.from, c.to)); diff != "" {
			k.Errorf("%s from %v to %v (-want +got):\n%s", c.service, c.from, c.to, diff)
		}
	}
	k.revoke(token.RevokeVerb{Grant: ids[1]})
	if diff := cmp.Diff([]int64{ids[0], ids[2]}, got("ecology", -time.Hour, day)); diff != "" {
		k.Errorf("with one revoked (-want +got):\n%s", diff)
	}
}

func signingKey(kid string) keyring.Key {
	return keyring.Key{Service: "samples", Purpose: "access", Alg: "ES256", KID: kid, State: "signing", Pinned: true,
		CreatedAt: start, SignFrom: start, Sealed: []byte("sealed " + kid)}
}

func keysTwoStartersAgree(k *kit) {
	got := make([]keyring.Key, 8)
	together(len(got), func(i int) {
		var err error
		if got[i], err = k.AddKey(ctx, signingKey(name("kid", i))); err != nil {
			k.Error(err)
		}
	})
	for _, other := range got[1:] {
		if diff := cmp.Diff(got[0], other); diff != "" {
			k.Errorf("two starters got other keys:\n%s", diff)
		}
	}
	want := signingKey(got[0].KID)
	want.ID = got[0].ID
	all, err := k.Keys(ctx)
	k.must(err)
	if diff := cmp.Diff([]keyring.Key{want}, all); diff != "" {
		k.Errorf("keys (-want +got):\n%s", diff)
	}
	equal(k, "audit lines", k.lines(audit.KeyAdded, 0), 1)
}

func keysReplace(k *kit) {
	first, err := k.AddKey(ctx, signingKey("one"))
	k.must(err)
	second := signingKey("two")
	second.CreatedAt, second.Public = start.Add(day), []byte("public")
	placed, err := k.ReplaceKey(ctx, first.ID, start.Add(30*day), second)
	k.must(err)
	late, err := k.ReplaceKey(ctx, first.ID, start.Add(40*day), signingKey("three")) // another was faster
	k.must(err)
	equal(k, "key that signs", late.KID, "two")
	second.ID = placed.ID
	first.State, first.SignUntil, first.VerifyUntil = "verifying", second.CreatedAt, start.Add(30*day)
	k.reopen()
	all, err := k.Keys(ctx)
	k.must(err)
	if diff := cmp.Diff([]keyring.Key{first, second}, all); diff != "" {
		k.Errorf("keys (-want +got):\n%s", diff)
	}
	back, err := k.ReplaceKey(ctx, second.ID, start.Add(50*day), signingKey("one"))
	k.must(err)
	equal(k, "key taken back", back.KID, "one")
}

func keysInstallation(k *kit) {
	ids := make([]string, 8)
	together(len(ids), func(i int) {
		var err error
		if ids[i], err = k.Installation(ctx); err != nil {
			k.Error(err)
		}
	})
	k.reopen()
	again, err := k.Installation(ctx)
	k.must(err)
	for _, id := range append(ids, again) {
		if id != ids[0] || len(id) < 32 {
			k.Errorf("installation is %q and %q, want one random text", ids[0], id)
		}
	}
}
