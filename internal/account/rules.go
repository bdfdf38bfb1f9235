package account

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of the fields.
const (
	maxName        = 64   // bytes of a sign-in or group name
	maxDisplay     = 200  // characters
	maxEmail       = 254  // bytes, RFC 5321 §4.5.3.1.3
	maxSubject     = 255  // bytes of an identity's subject
	maxProvider    = 32   // bytes
	maxAttrKey     = 64   // bytes of either half of "service.key"
	maxAttrValue   = 1024 // bytes
	minPassword    = 8    // characters
	maxPassword    = 1024 // bytes
	lowerAndDigits = "abcdefghijklmnopqrstuvwxyz0123456789"
	letters        = "ABCDEFGHIJKLMNOPQRSTUVWXYZ" + lowerAndDigits
)

// Key returns the form in which names of accounts and groups are compared and
// kept unique: ASCII letters in lower case, everything else as it is. (Unicode's
// lower case would make a plain k of the Kelvin sign.)
func Key(name string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, name)
}

// CheckPassword says whether a new password may be used: at least 8 characters,
// at most 1024 bytes of UTF-8, no control characters, spaces kept, not one that
// everybody tries first. Words are of the person, such as the names, and refused
// too. It is not normalised: the same letters composed otherwise are another
// password. Which kinds of character it holds is not asked (NIST SP 800-63B).
func CheckPassword(password string, words ...string) error {
	switch {
	case !utf8.ValidString(password):
		return invalid("the password is not UTF-8; check the terminal's encoding")
	case strings.ContainsFunc(password, unicode.IsControl):
		return invalid("the password holds a control character; give it on one line without tabs")
	case utf8.RuneCountInString(password) < minPassword:
		return invalid("the password is too short; use at least %d characters", minPassword)
	case len(password) > maxPassword:
		return invalid("the password is too long; use at most %d bytes", maxPassword)
	case guessable(password, words):
		return invalid("the password is one that is tried first: a common one, a single word, or your own name; use several words")
	}
	return nil
}

// checkName holds for names of accounts and groups; what says which.
func checkName(what, name string) error {
	switch {
	case name == "":
		return invalid("the %s name is empty; give one", what)
	case len(name) > maxName:
		return invalid("the %s name %.20q… is longer than %d characters; shorten it", what, name, maxName)
	case !only(name, letters+"._-@"):
		return invalid("the %s name %q holds other characters than ASCII letters, digits and . _ - @; leave them out", what, name)
	case !strings.Contains(letters, name[:1]):
		return invalid("the %s name %q begins with %q; begin it with a letter or digit", what, name, name[:1])
	}
	return nil
}

func checkNames(what string, names []string) error {
	for _, name := range names {
		if err := checkName(what, name); err != nil {
			return err
		}
	}
	return nil
}

func checkType(t string) error {
	if t != Person && t != Application {
		return invalid("%.40q is no type of account; use %s or %s", t, Person, Application)
	}
	return nil
}

func checkStatus(s string) error {
	if s != Active && s != Disabled && s != Deleted {
		return invalid("%.40q is no status; use %s, %s or %s", s, Active, Disabled, Deleted)
	}
	return nil
}

// checkDisplay allows "", and refuses what is not seen, such as direction marks.
func checkDisplay(display string) error {
	switch {
	case !printable(display):
		return invalid("the display name holds characters that do not print; leave them out")
	case utf8.RuneCountInString(display) > maxDisplay:
		return invalid("the display name is longer than %d characters; shorten it", maxDisplay)
	}
	return nil
}

// checkEmail allows ""; whether anybody reads the address is not checked.
func checkEmail(email string) error {
	if email == "" {
		return nil
	}
	local, domain, _ := strings.Cut(email, "@")
	switch {
	case len(email) > maxEmail:
		return invalid("the e-mail address is longer than %d bytes; shorten it", maxEmail)
	case local == "" || domain == "" || strings.Contains(domain, "@"):
		return invalid("%q is no e-mail address; it needs one @ with something on either side", email)
	case !printable(email) || strings.Contains(email, " "):
		return invalid("the e-mail address %q holds spaces or characters that do not print; leave them out", email)
	}
	return nil
}

func checkIdentity(id Identity) error {
	switch {
	case id.Provider == PasswordProvider:
		return invalid("the identity of provider %q comes by itself; leave it out", PasswordProvider)
	case id.Provider == "" || len(id.Provider) > maxProvider || !only(id.Provider, lowerAndDigits+"-"):
		return invalid("%.40q is no provider; use at most %d lower-case letters, digits and -", id.Provider, maxProvider)
	case id.Subject == "" || len(id.Subject) > maxSubject || !printable(id.Subject):
		return invalid("the subject at %s must be 1 to %d printable bytes; copy it from the provider", id.Provider, maxSubject)
	}
	if err := checkDisplay(id.Name); err != nil {
		return fmt.Errorf("checking identity of %s: %w", id.Provider, err)
	}
	if err := checkEmail(id.Email); err != nil {
		return fmt.Errorf("checking identity of %s: %w", id.Provider, err)
	}
	return nil
}

// checkAttr does not ask whether the service exists or knows the key.
func checkAttr(key, value string) error {
	service, name, _ := strings.Cut(key, ".")
	switch {
	case !attrKey(service) || !attrKey(name):
		return invalid("%.140q is no attribute; write service.key with lower-case letters, digits, - and _", key)
	case len(value) > maxAttrValue:
		return invalid("the value of %s is longer than %d bytes; shorten it", key, maxAttrValue)
	case !printable(value):
		return invalid("the value of %s holds characters that do not print; leave them out", key)
	}
	return nil
}

func attrKey(s string) bool {
	return s != "" && len(s) <= maxAttrKey && only(s, lowerAndDigits+"-_")
}

// only reports whether s consists of characters of set.
func only(s, set string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

// printable reports whether s is UTF-8 of letters, marks, numbers, signs and spaces.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func invalid(format string, args ...any) error {
	return &Error{Kind: Invalid, Text: fmt.Sprintf(format, args...)}
}
