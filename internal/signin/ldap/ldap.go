// Package ldap asks a directory server whether a name and password belong together,
// by binding as that person (RFC 4513 §5.1.3), and what it knows of the person.
//
// Each person signs in on a connection of its own, encrypted and verified unless the
// configuration says that a loopback server is plain; those for searching are kept. It
// owns escaping, limits and the choice of server. It knows no accounts: what a directory's person is here, and how
// often somebody may guess, is the business of others.
package ldap

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"symbolon/internal/config"
	"symbolon/internal/secret"
)

// ErrBadCredentials is wrapped by the error of every sign-in that the directory, or the
// form of name and password, refuses. Any other error says that nothing is known.
var ErrBadCredentials = errors.New("name and password do not belong together")

const (
	maxName     = 255
	maxPassword = 1024 // bytes
	maxAtOnce   = 32   // sign-ins that hold a connection
)

// Person is somebody who has signed in, as the directory has the entry.
type Person struct {
	DN         string // as the server spells it
	Name       string // uid
	CommonName string // cn; may be empty
	Email      string // mail; may be empty; not verified by anyone
	Groups     []string
}

// Directory is a configured directory. Its methods may be called at once.
type Directory struct {
	servers  []server
	conf     config.LDAP
	password secret.Text // of conf.BindDN
	groups   []group
	slots    chan struct{}
}

type server struct {
	url, address string
	tls          *tls.Config // of ldaps or StartTLS; nil speaks plain
	start        bool        // StartTLS
	searchers    *pool
}

type group struct {
	dn   *goldap.DN
	name string
}

// New reads the files that c, which must have passed Check, names. It connects to no
// server. A DN, filter, certificate or password that cannot be used is an error.
func New(c config.LDAP) (*Directory, error) {
	d := &Directory{conf: c, slots: make(chan struct{}, maxAtOnce)}
	roots, err := readRoots(c.CAFile)
	if err != nil {
		return nil, err
	}
	if d.password, err = readPassword(c.BindPasswordFile); err != nil {
		return nil, err
	}
	for _, text := range c.Servers {
		s, err := newServer(text, c.Plain, roots)
		if err != nil {
			return nil, err
		}
		d.servers = append(d.servers, s)
	}
	for dn, name := range c.Groups.Map {
		parsed, err := goldap.ParseDN(dn)
		if err != nil {
			return nil, fmt.Errorf("reading ldap.groups.map: %q is no DN: %w", dn, err)
		}
		d.groups = append(d.groups, group{parsed, name})
	}
	return d, d.checkTemplates()
}

func (d *Directory) checkTemplates() error {
	for key, dn := range map[string]string{"user_dn": d.conf.UserDN, "base": d.conf.Base, "bind_dn": d.conf.BindDN} {
		if _, err := goldap.ParseDN(dn); err != nil {
			return fmt.Errorf("reading ldap.%s: %q is no DN: %w", key, dn, err)
		}
	}
	if _, err := goldap.CompileFilter(d.conf.Filter); err != nil {
		return fmt.Errorf("reading ldap.filter: %w", err)
	}
	return nil
}

func newServer(text string, plain bool, roots *x509.CertPool) (server, error) {
	u, err := url.Parse(text)
	if err != nil {
		return server{}, fmt.Errorf("reading ldap.servers: %w", err)
	}
	s := server{url: text, address: u.Host, start: u.Scheme == "ldap" && !plain, searchers: &pool{}}
	if u.Port() == "" {
		s.address += map[string]string{"ldap": ":389", "ldaps": ":636"}[u.Scheme]
	}
	if !plain {
		s.tls = &tls.Config{ServerName: u.Hostname(), RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return s, nil
}

// readRoots returns nil, the system's, for no file.
func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading ldap.ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading ldap.ca_file: %s holds no PEM certificate; put the authority's there", file)
	}
	return roots, nil
}

func readPassword(file string) (secret.Text, error) {
	if file == "" {
		return secret.Text{}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return secret.Text{}, fmt.Errorf("reading ldap.bind_password_file: %w", err)
	}
	password := strings.TrimRight(string(text), "\r\n")
	if password == "" {
		return secret.Text{}, fmt.Errorf("reading ldap.bind_password_file: %s is empty; put the password of bind_dn there", file)
	}
	return secret.New(password), nil
}

// Close closes the connections that are kept. Sign-ins after it still work.
func (d *Directory) Close() {
	for _, s := range d.servers {
		s.searchers.close()
	}
}

// Groups returns the names of the groups here whose members the directory decides.
func (d *Directory) Groups() []string {
	var names []string
	for _, g := range d.groups {
		names = append(names, g.name)
	}
	return names
}

// NameOf returns the uid that begins a person's DN, and whether there is one. It does
// not ask whether the rest is a DN of the directory.
func NameOf(dn string) (string, bool) {
	if len(dn) > 4*maxName {
		return "", false
	}
	parsed, err := goldap.ParseDN(dn)
	if err != nil || len(parsed.RDNs) == 0 || len(parsed.RDNs[0].Attributes) != 1 {
		return "", false
	}
	first := parsed.RDNs[0].Attributes[0]
	return first.Value, strings.EqualFold(first.Type, "uid") && first.Value != ""
}

// usable keeps to printable ASCII: a directory folds other characters in ways that
// would give one person many spellings, each with guesses of its own.
func usable(name string) bool {
	return name != "" && len(name) <= maxName && strings.Trim(name, " ") == name &&
		!strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' })
}

// SignIn asks the servers in turn, until one can be reached, who the person is. An empty
// password, which a server may take for no sign-in at all (RFC 4513 §5.1.2), and a
// name outside printable ASCII are refused without asking.
func (d *Directory) SignIn(ctx context.Context, name, password string) (Person, error) {
	if password == "" || len(password) > maxPassword || !usable(name) {
		return Person{}, fmt.Errorf("%w: one of them cannot be such", ErrBadCredentials)
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return Person{}, fmt.Errorf("waiting to ask a directory: %w", ctx.Err())
	}
	var failures []error
	for _, s := range d.servers {
		p, err := d.ask(ctx, s, name, password)
		if err == nil || !unreachable(err) {
			return p, err
		}
		failures = append(failures, fmt.Errorf("asking %s: %w", s.url, err))
		if ctx.Err() != nil {
			break
		}
	}
	return Person{}, errors.Join(failures...)
}

// ask is one sign-in at one server.
func (d *Directory) ask(ctx context.Context, s server, name, password string) (Person, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.conf.Timeout))
	defer cancel()
	entry, err := d.prove(ctx, s, name, password)
	if err != nil {
		return Person{}, err
	}
	return d.person(entry, name), nil
}

// Reach connects to every server, and signs in as bind_dn where there is one; it asks about nobody.
func (d *Directory) Reach(ctx context.Context) error {
	var failures []error
	for _, s := range d.servers {
		if err := d.reach(ctx, s); err != nil {
			failures = append(failures, fmt.Errorf("reaching %s: %w", s.url, err))
		}
	}
	return errors.Join(failures...)
}

func (d *Directory) reach(ctx context.Context, s server) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(d.conf.Timeout))
	defer cancel()
	conn, err := dial(ctx, s)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d.conf.BindDN == "" {
		return nil
	}
	if err := conn.Bind(d.conf.BindDN, d.password.Reveal()); err != nil {
		return fmt.Errorf("signing in to the directory as bind_dn: %w", err)
	}
	return nil
}
