package account

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinkUnlinkJoinReachTheStore(t *testing.T) {
	b := newBench(t)
	ctx := t.Context()
	who := Outside{Subject: adaORCID, Login: "ignored", Display: "Ada\x00", Email: "ada@example.org", Groups: []string{"ignored"}}
	for _, do := range []func() error{
		func() error { return b.Link(ctx, operator, 1, "orcid", who) },
		func() error { return b.Unlink(ctx, operator, 1, "orcid", adaORCID) },
		func() error { return b.Join(ctx, operator, 1, 2) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	want := []any{
		LinkVerb{By: operator, Now: start, Account: 1, Identity: Identity{Provider: "orcid", Subject: adaORCID, Email: "ada@example.org"}},
		UnlinkVerb{By: operator, Now: start, Account: 1, Provider: "orcid", Subject: adaORCID},
		JoinVerb{By: operator, Now: start, Into: 1, From: 2},
	}
	if diff := cmp.Diff(want, b.store.verbs); diff != "" {
		t.Errorf("the store got (-want +got):\n%s", diff)
	}
}

func TestIdentitiesRefusedBeforeTheStore(t *testing.T) {
	ctx := t.Context()
	for name, c := range map[string]struct {
		do   func(*bench) error
		want string
	}{
		"link a password": {func(b *bench) error { return b.Link(ctx, operator, 1, PasswordProvider, Outside{Subject: "eve"}) },
			`linking identity: the identity of provider "password" comes by itself; leave it out`},
		"link nobody": {func(b *bench) error { return b.Link(ctx, operator, 1, "orcid", Outside{}) },
			"linking identity: the subject at orcid must be 1 to 255 printable bytes; copy it from the provider"},
		"link too long": {func(b *bench) error {
			return b.Link(ctx, operator, 1, "orcid", Outside{Subject: strings.Repeat("x", 256)})
		},
			"linking identity: the subject at orcid must be 1 to 255 printable bytes; copy it from the provider"},
		"remove the own name": {func(b *bench) error { return b.Unlink(ctx, operator, 1, PasswordProvider, "maria") },
			`removing identity: the identity of provider "password" comes by itself; leave it out`},
		"join itself": {func(b *bench) error { return b.Join(ctx, operator, 1, 1) },
			"an account is not joined with itself; choose two"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			err := c.do(b)
			if !errors.Is(err, ErrInvalid) || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if len(b.store.calls) != 0 {
				t.Errorf("the store was asked %v", b.store.calls)
			}
		})
	}
}
