package account

import (
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestAdd(t *testing.T) {
	b := newBench(t)
	n := New{Name: "Ada", Type: Person, Display: "Ada L", Email: "a@example.org", Password: right,
		Groups: []string{"staff"}, Identities: []Identity{{Provider: "orcid", Subject: "0000-0002-1825-0097"}}}
	if _, err := b.Add(t.Context(), operator, n); err != nil {
		t.Fatal(err)
	}
	want := []any{AddVerb{By: operator, Now: start, Name: n.Name, Type: n.Type, Display: n.Display, Email: n.Email,
		Groups: n.Groups, Identities: n.Identities}}
	if diff := cmp.Diff(want, b.store.verbs, cmpopts.IgnoreFields(AddVerb{}, "PasswordHash")); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
	b.expect(t, "192.0.2.7", "ada", right, nil)
	if _, err := b.Add(t.Context(), operator, New{Name: "ADA", Type: Person}); !errors.Is(err, ErrConflict) {
		t.Errorf("adding it again: got %v, want %v", err, ErrConflict)
	}
}

func TestAddWithoutPassword(t *testing.T) {
	b := newBench(t)
	if _, err := b.Add(t.Context(), operator, New{Name: "robot", Type: Application}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{AddVerb{By: operator, Now: start, Name: "robot", Type: Application}}, b.store.verbs); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
}

func TestSet(t *testing.T) {
	b := newBench(t)
	password, empty := "a new password", ""
	c := Change{Display: &empty, Password: &password, AddGroups: []string{"a"}, RemoveGroups: []string{"b"},
		Attrs: map[string]string{"samples.user_codes": "MOB,ABC", "samples.old": ""}}
	if _, err := b.Set(t.Context(), operator, "maria", c); err != nil {
		t.Fatal(err)
	}
	want := []any{"maria", SetVerb{By: operator, Now: start, Name: "maria", Display: &empty, AddGroups: c.AddGroups,
		RemoveGroups: c.RemoveGroups, Attrs: c.Attrs}}
	if diff := cmp.Diff(want, b.store.verbs, cmpopts.IgnoreFields(SetVerb{}, "PasswordHash")); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
	b.expect(t, "192.0.2.7", "maria", right, ErrBadCredentials)
	b.expect(t, "192.0.2.7", "maria", password, nil)
}

func TestOtherVerbs(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	group, err := b.AddGroup(ctx, operator, "staff", "maria")
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(group.UID) {
		t.Errorf("uid %q, want 32 hex digits", group.UID)
	}
	filter := Filter{Group: "staff", Type: Person, Status: Active, Prefix: "m", Limit: 5}
	for _, do := range []func() error{
		func() error { _, err := b.AddGroup(ctx, operator, "orphans", ""); return err },
		func() error { _, err := b.Enable(ctx, operator, "gone"); return err },
		func() error { _, err := b.Get(ctx, "maria"); return err },
		func() error { _, err := b.List(ctx, filter); return err },
		func() error { _, err := b.List(ctx, Filter{}); return err },
		func() error { _, err := b.ListGroups(ctx); return err },
		func() error { return b.AddMember(ctx, operator, "staff", "maria") },
		func() error { return b.RemoveMember(ctx, operator, "staff", "maria") },
		func() error { return b.DeleteGroup(ctx, operator, "staff") },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"AddGroup", "AddGroup", "EnableAccount", "Account", "Accounts", "Accounts", "Groups",
		"AddMember", "RemoveMember", "DeleteGroup"}, b.store.calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	want := []any{operator, start, "staff", "maria", operator, start, "orphans", "", operator, start, "gone", "maria",
		filter, Filter{}, operator, start, "staff", "maria", operator, start, "staff", "maria", operator, start, "staff"}
	if diff := cmp.Diff(want, b.store.verbs); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
}

func TestRefusedBeforeTheStore(t *testing.T) {
	ctx := t.Context()
	bad := "\x00"
	const nul = ` name "\x00" holds other characters than ASCII letters, digits and . _ - @; leave them out`
	for name, c := range map[string]struct {
		do   func(*bench) error
		want string
	}{
		"add: everything wrong is said": {func(b *bench) error {
			_, err := b.Add(ctx, operator, New{Name: bad, Type: "robot", Display: bad, Email: "x", Password: "short",
				Groups: []string{bad}, Identities: []Identity{{Provider: "password"}}})
			return err
		}, "adding account: the account" + nul +
			"\n\"robot\" is no type of account; use person or application" +
			"\nthe display name holds characters that do not print; leave them out" +
			"\n\"x\" is no e-mail address; it needs one @ with something on either side" +
			"\nthe group" + nul +
			"\nthe password is too short; use at least 8 characters" +
			"\nthe identity of provider \"password\" comes by itself; leave it out"},
		"set: everything wrong is said": {func(b *bench) error {
			empty := ""
			_, err := b.Set(ctx, operator, bad, Change{Display: &bad, Email: &bad, Type: &bad, Password: &empty,
				AddGroups: []string{"ok", bad}, RemoveGroups: []string{bad}, Attrs: map[string]string{"z": "", "a.b": bad}})
			return err
		}, "changing account: the account" + nul + "\nthe group" + nul + "\nthe group" + nul +
			"\nthe display name holds characters that do not print; leave them out" +
			"\n\"\\x00\" is no e-mail address; it needs one @ with something on either side" +
			"\n\"\\x00\" is no type of account; use person or application" +
			"\nthe password is too short; use at least 8 characters" +
			"\nthe value of a.b holds characters that do not print; leave them out" +
			"\n\"z\" is no attribute; write service.key with lower-case letters, digits, - and _"},
		"enable": {func(b *bench) error { _, err := b.Enable(ctx, operator, bad); return err }, "enabling account: the account" + nul},
		"get":    {func(b *bench) error { _, err := b.Get(ctx, bad); return err }, "reading account: the account" + nul},
		"list": {func(b *bench) error { _, err := b.List(ctx, Filter{Group: bad, Type: "x", Status: "y"}); return err },
			"listing accounts: the group" + nul + "\n\"x\" is no type of account; use person or application" +
				"\n\"y\" is no status; use active, disabled or deleted"},
		"add group":          {func(b *bench) error { _, err := b.AddGroup(ctx, operator, bad, ""); return err }, "adding group: the group" + nul},
		"add group, owner":   {func(b *bench) error { _, err := b.AddGroup(ctx, operator, "g", bad); return err }, "adding group: the account" + nul},
		"delete group":       {func(b *bench) error { return b.DeleteGroup(ctx, operator, bad) }, "deleting group: the group" + nul},
		"add member":         {func(b *bench) error { return b.AddMember(ctx, operator, bad, "a") }, "adding member: the group" + nul},
		"remove member":      {func(b *bench) error { return b.RemoveMember(ctx, operator, "g", bad) }, "removing member: the account" + nul},
		"member: both wrong": {func(b *bench) error { return b.AddMember(ctx, operator, bad, bad) }, "adding member: the group" + nul + "\nthe account" + nul},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			err := c.do(b)
			if !errors.Is(err, ErrInvalid) || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if len(b.store.calls) != 0 || b.hashes.Load() != 0 {
				t.Errorf("the store was asked %v and %d passwords were hashed, want neither", b.store.calls, b.hashes.Load())
			}
		})
	}
}
