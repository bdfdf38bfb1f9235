package symbolon_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "symbolon/"

// kit is what the dialects' tests share. It builds what a dialect is given, and so is no dialect to the rules.
const kit = "internal/dialect/dialecttest"

// rules lists, for each part of the tree, what it may never reach, directly or
// through other packages of this module, and why.
var rules = []struct{ from, to, why string }{
	{"client", "internal/*", "programs elsewhere import the client, and nothing that they cannot have"},
	{"e2e/holder", "internal/*", "it stands for a program elsewhere"},
	{"internal/*", "client", "the server does not call itself"},
	{"internal/secret", "internal/*", "layer 0 stands alone"},
	{"internal/strictjson", "internal/*", "layer 0 stands alone"},
	{"internal/graphql", "internal/*", "layer 0 stands alone"},
	{"internal/graphql", "net/http", "a query language knows no wire"},
	{"internal/token", "net/http", "the engine knows nothing of HTTP"},
	{"internal/token", "database/sql", "the engine knows nothing of SQL"},
	{"internal/token", "internal/keyring", "the engine declares what it needs of keys"},
	{"internal/token", "internal/account", "the engine sees a person as a Subject"},
	{"internal/token", "internal/store/*", "the engine declares what it needs of a store"},
	{"internal/keyring", "net/http", "keys know nothing of HTTP"},
	{"internal/keyring", "database/sql", "keys know nothing of SQL"},
	{"internal/keyring", "internal/token", "keys know nothing of grants"},
	{"internal/keyring", "internal/account", "keys know nothing of people"},
	{"internal/account", "net/http", "accounts know nothing of HTTP"},
	{"internal/account", "database/sql", "accounts know nothing of SQL"},
	{"internal/account", "internal/token", "accounts know nothing of grants"},
	{"internal/account", "internal/keyring", "accounts know nothing of keys"},
	{"internal/audit", "internal/*", "audit is words only"},
	{"internal/config", "internal/dialect/*", "a configuration is read before anything is built"},
	{"internal/config", "internal/token", "a configuration is read before anything is built"},
	{"internal/httpio", "internal/token", "the adapter knows no engine"},
	{"internal/httpio", "internal/dialect/*", "the adapter knows no dialect"},
	{"internal/dialect/*", "internal/store/*", "a dialect reaches state only through the engine"},
	{"internal/dialect/*", "internal/dialect/*", "dialects do not know one another"},
	{"*", kit, "the kit is for tests"},
	{"internal/dialect/*", "internal/keyring", "a dialect is given the keys it needs"},
	{"internal/dialect/*", "internal/account", "a dialect reaches people only through the engine"},
	// signin/oidc is a client of web servers, signin/standin is one, signin/flow drives browsers there.
	{"internal/signin/ldap", "net/http", "a directory is not asked by HTTP"},
	{"internal/signin/orcid", "internal/*", "layer 0 stands alone"},
	{"internal/signin/orcid", "net/http", "what an iD looks like has nothing to do with HTTP"},
	{"internal/signin/oidc", "internal/signin/standin", "it knows ORCID by its wire alone"},
	{"internal/signin/oidc", "internal/httpio", "it asks servers and is none"},
	{"internal/web/api", "internal/store/*", "the API reaches state only through the engine and the accounts"},
	{"internal/web/api", "internal/dialect/*", "the API speaks a wire of its own"},
	{"internal/web/api", "internal/keyring", "the API is told what may be known of keys"},
	{"internal/web/api", "internal/signin/*", "the API is given the doors it has"},
	{"internal/dialect/*", "internal/web/*", "a dialect knows nobody who asks it"},
	{"internal/gateway", "internal/store/*", "the gateway reaches state only through the engine"},
	{"internal/gateway", "internal/dialect/*", "the gateway declares what it needs of a dialect"},
	{"internal/gateway", "internal/keyring", "the gateway holds no key"},
	{"internal/gateway", "internal/account", "the gateway reaches people only through the engine"},
	{"internal/dialect/*", "internal/gateway", "a dialect knows nobody who asks it"},
	{"internal/signin/*", "database/sql", "a way to sign in keeps nothing"},
	{"internal/signin/*", "internal/store/*", "a way to sign in keeps nothing"},
	{"internal/signin/*", "internal/token", "a way to sign in knows nothing of grants"},
	{"internal/signin/*", "internal/account", "a way to sign in knows no accounts"},
	{"internal/signin/*", "internal/keyring", "a way to sign in knows no keys"},
	{"internal/signin/*", "internal/dialect/*", "a way to sign in speaks no wire of ours"},
	{"internal/dialect/*", "internal/signin/*", "a dialect is given the doors it has"},
	{"internal/signin/flow", "internal/signin/standin", "it leads to providers as they are"},
	{"internal/web", "internal/store/*", "pages reach state only through the engine and the accounts"},
	{"internal/web", "internal/dialect/*", "pages speak no old wire"},
	{"internal/web", "internal/keyring", "pages are shown keys, not given them"},
	{"internal/account", "internal/signin/*", "accounts are told who somebody is"},
	{"internal/events", "internal/store/*", "the stream is what the engine says"},
	{"internal/events", "internal/dialect/*", "the stream speaks no dialect"},
	{"internal/statuslist", "net/http", "a list is text"},
	{"internal/statuslist", "internal/keyring", "a list is given the key it needs"},
	{"internal/statuslist", "internal/store/*", "a list is made of what the engine says"},
	{"internal/store/*", "net/http", "a store is not a server"},
	{"internal/store/*", "internal/dialect/*", "a store speaks no wire"},
	{"internal/*", "internal/store/postgres/pgtest", "the throw-away server is for tests"},
	{"cmd/*", "internal/store/postgres/pgtest", "the throw-away server is for tests"},
	{"internal/store/*", "internal/app", "the store lies further in"},
	{"internal/*", "cmd/*", "commands are the outermost ring"},
}

func TestImports(t *testing.T) {
	imports := readImports(t)
	for _, r := range rules {
		matched := false
		for pkg := range imports {
			if !under(r.from, pkg) || pkg == kit && r.from == "internal/dialect/*" {
				continue
			}
			matched = true
			for imp := range reachable(imports, pkg) {
				if imp != pkg && under(r.to, imp) {
					t.Errorf("%s reaches %s: %s", pkg, imp, r.why)
				}
			}
		}
		if !matched {
			t.Errorf("the rule from %s matches no package: mend it or drop it", r.from)
		}
	}
}

// readImports returns what each package imports, test files left out. It reads
// the files itself, so that the go command knows this result depends on them.
func readImports(t *testing.T) map[string]map[string]bool {
	t.Helper()
	imports := map[string]map[string]bool{} // :: package → imports, module prefix cut
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), p, src, parser.ImportsOnly)
		if err != nil {
			return err
		}
		pkg := path.Dir(filepath.ToSlash(p))
		if imports[pkg] == nil {
			imports[pkg] = map[string]bool{}
		}
		for _, spec := range f.Imports {
			imp, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports[pkg][strings.TrimPrefix(imp, module)] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return imports
}

// reachable returns every package that pkg imports, directly or not.
func reachable(imports map[string]map[string]bool, pkg string) map[string]bool {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(p string) {
		for imp := range imports[p] {
			if !seen[imp] {
				seen[imp] = true
				visit(imp)
			}
		}
	}
	visit(pkg)
	return seen
}

// under reports whether pkg is pat, or lies below it where pat ends in "/*".
func under(pat, pkg string) bool {
	dir, wild := strings.CutSuffix(pat, "*")
	return pkg == pat || wild && strings.HasPrefix(pkg, dir)
}
