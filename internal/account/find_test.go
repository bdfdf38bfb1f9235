package account

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindReadsTheText(t *testing.T) {
	for text, want := range map[string]FindVerb{
		" ada ": {Name: "ada", Email: "ada", Subject: "ada", Limit: maxFound},
		"42":    {Number: 42, Name: "42", Email: "42", Subject: "42", Limit: maxFound},
		"-42":   {Name: "-42", Email: "-42", Subject: "-42", Limit: maxFound},
		"https://orcid.org/0000-0002-1825-0097": {Name: "https://orcid.org/0000-0002-1825-0097",
			Email: "https://orcid.org/0000-0002-1825-0097", Subject: "0000-0002-1825-0097", Limit: maxFound},
	} {
		s := newFakeStore()
		_, err := NewDirectory(s, NewHasher(cheap), nil).Find(context.Background(), text, 0)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]any{want}, s.verbs); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestFindRefuses(t *testing.T) {
	d := NewDirectory(newFakeStore(), NewHasher(cheap), nil)
	for _, text := range []string{"", "  ", "a\x00b", "a\xffb", strings.Repeat("a", maxSubject+1)} {
		if _, err := d.Find(context.Background(), text, 0); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

// An identity that was removed is nobody's any more.
func TestByIdentityIsOfNow(t *testing.T) {
	s := newFakeStore()
	d := NewDirectory(s, NewHasher(cheap), nil)
	own := Identity{Provider: "orcid", Subject: "1"}
	s.accounts["ada"] = Account{ID: 7, Status: Active, Identities: []Identity{own}}
	s.reserved = map[string]int64{"orcid 2": 7}
	if a, err := d.ByIdentity(context.Background(), "orcid", "1"); err != nil || a.ID != 7 {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err := d.ByIdentity(context.Background(), "orcid", "2"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a removed identity: %v", err)
	}
	s.accounts["ada"] = Account{ID: 7, Status: Deleted, Identities: []Identity{own}}
	if _, err := d.ByIdentity(context.Background(), "orcid", "1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("of a deleted account: %v", err)
	}
}
