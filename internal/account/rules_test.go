package account

import (
	"errors"
	"strings"
	"testing"
)

// one is a value and the exact complaint about it, "" for none.
type one struct{ name, value, want string }

func checkAll(t *testing.T, check func(string) error, cases []one) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			err := check(c.value)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
			if err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v, want an ErrInvalid", err)
			}
		})
	}
}

func TestNames(t *testing.T) {
	const others = " holds other characters than ASCII letters, digits and . _ - @; leave them out"
	checkAll(t, func(s string) error { return checkName("account", s) }, []one{
		{"short", "a", ""},
		{"digit first", "7of9", ""},
		{"every sign", "A.b_c-d@e", ""},
		{"longest", strings.Repeat("a", 64), ""},
		{"empty", "", "the account name is empty; give one"},
		{"too long", strings.Repeat("a", 65), "the account name \"aaaaaaaaaaaaaaaaaaaa\"… is longer than 64 characters; shorten it"},
		{"space", "a b", `the account name "a b"` + others},
		{"newline at the end", "ab\n", `the account name "ab\n"` + others},
		{"not ASCII", "jürgen", `the account name "jürgen"` + others},
		{"Kelvin sign", "\u212aelvin", "the account name \"\u212aelvin\"" + others},
		{"not UTF-8", "a\xff", `the account name "a\xff"` + others},
		{"sign first", "-rf", `the account name "-rf" begins with "-"; begin it with a letter or digit`},
		{"dot first", ".", `the account name "." begins with "."; begin it with a letter or digit`},
	})
}

func TestKey(t *testing.T) {
	for in, want := range map[string]string{
		"Maria.Silva@X": "maria.silva@x",
		"\u212aelvin":   "\u212aelvin", // not "kelvin"
		"":              "",
	} {
		if got := Key(in); got != want {
			t.Errorf("Key(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPasswordRules(t *testing.T) {
	const control = "the password holds a control character; give it on one line without tabs"
	checkAll(t, func(p string) error { return CheckPassword(p) }, []one{
		{"shortest", "q7!mVx2_", ""},
		{"spaces", "        ", ""},
		{"characters, not bytes", "ÄÖÜäöüßé", ""},
		{"longest", strings.Repeat("x", 1024), ""},
		{"seven characters of 14 bytes", "ÄÖÜäöüß", "the password is too short; use at least 8 characters"},
		{"empty", "", "the password is too short; use at least 8 characters"},
		{"too long", strings.Repeat("x", 1025), "the password is too long; use at most 1024 bytes"},
		{"tab", "1234567\t89", control},
		{"NUL", "12345678\x00", control},
		{"C1 control", "12345678\u0085", control},
		{"not UTF-8", "12345678\xff", "the password is not UTF-8; check the terminal's encoding"},
	})
}

func TestDisplays(t *testing.T) {
	const unseen = "the display name holds characters that do not print; leave them out"
	checkAll(t, checkDisplay, []one{
		{"empty", "", ""},
		{"name", "Zoë O'Neil-Smith 3rd", ""},
		{"longest", strings.Repeat("é", 200), ""},
		{"too long", strings.Repeat("é", 201), "the display name is longer than 200 characters; shorten it"},
		{"newline", "A\nB", unseen},
		{"direction mark", "A\u202eB", unseen},
		{"not UTF-8", "A\xff", unseen},
	})
}

func TestEmails(t *testing.T) {
	const shape = " is no e-mail address; it needs one @ with something on either side"
	const unseen = " holds spaces or characters that do not print; leave them out"
	checkAll(t, checkEmail, []one{
		{"empty", "", ""},
		{"plain", "a+b@example.org", ""},
		{"longest", strings.Repeat("a", 242) + "@example.org", ""},
		{"too long", strings.Repeat("a", 243) + "@example.org", "the e-mail address is longer than 254 bytes; shorten it"},
		{"no @", "example.org", `"example.org"` + shape},
		{"two @", "a@b@c", `"a@b@c"` + shape},
		{"nothing before", "@b", `"@b"` + shape},
		{"nothing behind", "a@", `"a@"` + shape},
		{"space", "a b@c", `the e-mail address "a b@c"` + unseen},
		{"newline", "a@c\nBcc:", `the e-mail address "a@c\nBcc:"` + unseen},
	})
}

func TestAttributes(t *testing.T) {
	const keyRule = " is no attribute; write service.key with lower-case letters, digits, - and _"
	checkAll(t, func(key string) error { return checkAttr(key, "MOB,ABC") }, []one{
		{"usual", "samples.user_codes", ""},
		{"digits", "s-2.k_2", ""},
		{"no dot", "samples", `"samples"` + keyRule},
		{"two dots", "samples.a.b", `"samples.a.b"` + keyRule},
		{"no service", ".a", `".a"` + keyRule},
		{"no key", "a.", `"a."` + keyRule},
		{"upper case", "Samples.a", `"Samples.a"` + keyRule},
		{"too long", "a." + strings.Repeat("b", 65), `"a.` + strings.Repeat("b", 65) + `"` + keyRule},
	})
	checkAll(t, func(value string) error { return checkAttr("s.k", value) }, []one{
		{"removed", "", ""},
		{"longest", strings.Repeat("v", 1024), ""},
		{"too long", strings.Repeat("v", 1025), "the value of s.k is longer than 1024 bytes; shorten it"},
		{"NUL", "\x00", "the value of s.k holds characters that do not print; leave them out"},
	})
}

func TestIdentities(t *testing.T) {
	good := Identity{Provider: "orcid", Subject: "0000-0002-1825-0097", Name: "Josiah Carberry", Email: "j@example.org"}
	with := func(change func(*Identity)) Identity {
		id := good
		change(&id)
		return id
	}
	for _, c := range []struct {
		name string
		id   Identity
		want string
	}{
		{"good", good, ""},
		{"our own provider", with(func(i *Identity) { i.Provider = "password" }),
			`the identity of provider "password" comes by itself; leave it out`},
		{"no provider", with(func(i *Identity) { i.Provider = "" }),
			`"" is no provider; use at most 32 lower-case letters, digits and -`},
		{"no subject", with(func(i *Identity) { i.Subject = "" }),
			"the subject at orcid must be 1 to 255 printable bytes; copy it from the provider"},
		{"line break in subject", with(func(i *Identity) { i.Subject = "a\nb" }),
			"the subject at orcid must be 1 to 255 printable bytes; copy it from the provider"},
		{"bad name", with(func(i *Identity) { i.Name = "\a" }),
			"checking identity of orcid: the display name holds characters that do not print; leave them out"},
		{"bad e-mail", with(func(i *Identity) { i.Email = "x" }),
			`checking identity of orcid: "x" is no e-mail address; it needs one @ with something on either side`},
	} {
		checkAll(t, func(string) error { return checkIdentity(c.id) }, []one{{c.name, "", c.want}})
	}
}

func TestErrorKinds(t *testing.T) {
	all := []*Error{ErrNotFound, ErrConflict, ErrInvalid, ErrBadCredentials, ErrTooMany, ErrBusy}
	for _, e := range all {
		withText := error(&Error{Kind: e.Kind, Text: "words"})
		for _, sentinel := range all {
			if got := errors.Is(withText, sentinel); got != (sentinel.Kind == e.Kind) {
				t.Errorf("errors.Is(%s, %s) = %t", e.Kind, sentinel.Kind, got)
			}
		}
		if e.Error() != string(e.Kind) || withText.Error() != "words" {
			t.Errorf("texts %q and %q, want the kind and the words", e, withText)
		}
		if !e.Refusal() {
			t.Errorf("%s is no refusal", e.Kind)
		}
	}
}
