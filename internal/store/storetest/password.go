package storetest

import (
	"sync/atomic"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/audit"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var passwordTests = map[string]func(*kit){
	"PasswordSignsOut":     passwordSignsOut,
	"PasswordFirst":        passwordFirst,
	"PasswordByOperator":   passwordByOperator,
	"ResetOnce":            resetOnce,
	"ResetNewest":          resetNewest,
	"ResetRacing":          resetRacing,
	"ResetOfOtherAccounts": resetOfOtherAccounts,
	"ResetPurged":          resetPurged,
	"ResetOfAnotherEpoch":  resetOfAnotherEpoch,
}

func (k *kit) hash(name string) string {
	k.Helper()
	_, hash, err := k.Password(ctx, name)
	k.must(err)
	return hash
}

func passwordSignsOut(k *kit) {
	ada, bob := k.person("ada"), k.person("bob")
	here, there, key := k.browser(ada, 1), k.browser(ada, 2), k.issue(token.APIKey, "", ada)
	pair, bobs := k.issue(token.Pair, "samples", ada), k.browser(bob, 3)
	k.must(k.AddReset(ctx, account.ResetVerb{By: by, Now: k.now(), Name: "ada", Hash: [32]byte{1}, Expires: k.now().Add(day)}))
	k.must(k.SetPassword(ctx, account.PasswordVerb{By: by, Now: k.now(), Account: ada, Hash: "$new", Keep: here.ID}))
	equal(k, "hash", k.hash("ada"), "$new")
	equal(k, "another's hash", k.hash("bob"), "$hash")
	for _, g := range []token.Grant{here, key, pair, bobs} {
		equal(k, "state of "+string(g.Kind), k.grant(g.ID).State(k.now()), "live")
	}
	equal(k, "state of the other browser", k.grant(there.ID).State(k.now()), "revoked")
	equal(k, "reason", k.grant(there.ID).RevokedReason, "new password")
	equal(k, "feed entries", k.inFeed(ofGrant(token.EntryGrant, there.ID)), 1)
	equal(k, "audit lines of the sign-out", k.lines(audit.SignedOut, there.ID), 1)
	equal(k, "audit lines", k.lines(audit.PasswordChanged, 0), 1)
	_, err := k.Reset(ctx, [32]byte{1}, k.now())
	k.accountRefused(err, account.ErrNotFound)
	k.must(k.SetPassword(ctx, account.PasswordVerb{By: by, Now: k.now(), Account: ada, Hash: "$newer", Keep: bobs.ID}))
	equal(k, "this browser, where another's is to stay", k.grant(here.ID).State(k.now()), "revoked")
}

func passwordFirst(k *kit) {
	ada, bare, off := k.person("ada"), k.bare("bare", orcid), k.bare("off")
	k.revoke(token.RevokeVerb{Account: off, Status: account.Disabled})
	first := func(id int64) error {
		return k.SetPassword(ctx, account.PasswordVerb{By: by, Now: k.now(), Account: id, Hash: "$first", First: true})
	}
	var set atomic.Int64
	together(8, func(int) {
		if err := first(bare); err != nil {
			k.accountRefused(err, account.ErrConflict)
			return
		}
		set.Add(1)
	})
	equal(k, "set as the first", set.Load(), 1)
	k.accountRefused(first(ada), account.ErrConflict)
	k.accountRefused(first(off), account.ErrConflict)
	k.accountRefused(first(99), account.ErrNotFound)
	equal(k, "hash", k.hash("ada"), "$hash")
}

// An operator's new password drives out whoever is signed in.
func passwordByOperator(k *kit) {
	ada := k.person("ada")
	browser, pair := k.browser(ada, 1), k.issue(token.Pair, "samples", ada)
	k.must(k.AddReset(ctx, account.ResetVerb{By: by, Now: k.now(), Name: "ada", Hash: [32]byte{1}, Expires: k.now().Add(day)}))
	display, hash := "Ada King", "$new"
	_, err := k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", Display: &display})
	k.must(err)
	equal(k, "state after another change", k.grant(browser.ID).State(k.now()), "live")
	_, err = k.SetAccount(ctx, account.SetVerb{By: by, Now: k.now(), Name: "ada", PasswordHash: &hash})
	k.must(err)
	equal(k, "state of the browser", k.grant(browser.ID).State(k.now()), "revoked")
	equal(k, "state of the pair", k.grant(pair.ID).State(k.now()), "live")
	_, err = k.Reset(ctx, [32]byte{1}, k.now())
	k.accountRefused(err, account.ErrNotFound)
}

func (k *kit) addReset(name string, n byte) {
	k.Helper()
	k.must(k.AddReset(ctx, account.ResetVerb{By: by, Now: k.now(), Name: name, Hash: [32]byte{n}, Expires: k.now().Add(day)}))
}

func (k *kit) useReset(n byte, hash string) (int64, error) {
	return k.UseReset(ctx, account.UseResetVerb{By: by, Now: k.now(), Hash: [32]byte{n}, PasswordHash: hash})
}

func resetOnce(k *kit) {
	ada := k.person("ada")
	browser := k.browser(ada, 1)
	k.addReset("ADA", 1)
	k.pass(day - time.Millisecond)
	for range 2 { // looking uses nothing up
		a, err := k.Reset(ctx, [32]byte{1}, k.now())
		k.must(err)
		equal(k, "whose", a.ID, ada)
	}
	id, err := k.useReset(1, "$new")
	k.must(err)
	equal(k, "whose", id, ada)
	equal(k, "hash", k.hash("ada"), "$new")
	equal(k, "state of a browser", k.grant(browser.ID).State(k.now()), "revoked")
	_, err = k.useReset(1, "$again")
	k.accountRefused(err, account.ErrNotFound)
	equal(k, "hash", k.hash("ada"), "$new")
	equal(k, "audit lines of the link", k.lines(audit.ResetLinkMade, 0), 1)
	equal(k, "audit lines of the change", k.lines(audit.PasswordChanged, 0), 1)
}

// The newer link replaces the older, and each ends after its time.
func resetNewest(k *kit) {
	k.person("ada")
	k.addReset("ada", 1)
	k.pass(time.Hour)
	k.addReset("ada", 2)
	_, err := k.useReset(1, "$old")
	k.accountRefused(err, account.ErrNotFound)
	k.pass(day)
	_, err = k.Reset(ctx, [32]byte{2}, k.now())
	k.accountRefused(err, account.ErrNotFound)
	_, err = k.useReset(2, "$late")
	k.accountRefused(err, account.ErrNotFound)
	equal(k, "hash", k.hash("ada"), "$hash")
}

// One link used by many at once sets one password.
func resetRacing(k *kit) {
	k.person("ada")
	k.addReset("ada", 1)
	var won atomic.Pointer[string]
	together(8, func(i int) {
		hash := name("$", i)
		if _, err := k.useReset(1, hash); err != nil {
			k.accountRefused(err, account.ErrNotFound)
			return
		}
		if !won.CompareAndSwap(nil, &hash) {
			k.Error("the link was used twice")
		}
	})
	equal(k, "hash", k.hash("ada"), *won.Load())
}

func resetOfOtherAccounts(k *kit) {
	ada := k.person("ada")
	gone := k.person("gone")
	k.addReset("ada", 1)
	k.addReset("gone", 2)
	k.revoke(token.RevokeVerb{Account: ada, Status: account.Disabled})
	k.revoke(token.RevokeVerb{Account: gone, Status: account.Deleted})
	for n, name := range map[byte]string{1: "ada", 2: "gone", 3: "nobody"} {
		_, err := k.useReset(n, "$x")
		k.accountRefused(err, account.ErrNotFound)
		err = k.AddReset(ctx, account.ResetVerb{By: by, Now: k.now(), Name: name, Hash: [32]byte{n}, Expires: k.now().Add(day)})
		k.accountRefused(err, map[byte]*account.Error{1: account.ErrConflict, 2: account.ErrNotFound, 3: account.ErrNotFound}[n])
	}
	_, err := k.EnableAccount(ctx, by, k.now(), "ada")
	k.must(err)
	_, err = k.useReset(1, "$x") // disabling ended it for good
	k.accountRefused(err, account.ErrNotFound)
}

func resetPurged(k *kit) {
	k.person("ada")
	k.addReset("ada", 1)
	k.pass(2*day - time.Hour)
	k.purgeAll()
	_, err := k.Reset(ctx, [32]byte{1}, start)
	k.must(err)
	k.pass(2 * time.Hour)
	k.purgeAll()
	_, err = k.Reset(ctx, [32]byte{1}, start)
	k.accountRefused(err, account.ErrNotFound)
}

func resetOfAnotherEpoch(k *kit) {
	k.person("ada")
	k.addReset("ada", 1)
	_, err := k.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: k.now()})
	k.must(err)
	_, err = k.useReset(1, "$x")
	k.accountRefused(err, account.ErrNotFound)
}
