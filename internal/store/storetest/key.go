package storetest

import (
	"github.com/google/go-cmp/cmp"

	"symbolon/internal/audit"
	"symbolon/internal/keyring"
)

var keyTests = map[string]func(*kit){
	"KeysTwoStartersAgree": keysTwoStartersAgree,
	"KeysReplace":          keysReplace,
	"KeysInstallation":     keysInstallation,
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
