package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"symbolon/internal/secret"
)

const (
	maxFile   = 1 << 20
	fileName  = "symbolon.yaml"
	varPrefix = "SYMBOLON_"
	varConfig = varPrefix + "CONFIG"
	varMaster = varPrefix + "MASTER_KEY"
	varNext   = varPrefix + "MASTER_KEY_NEXT"
)

// Sources is where a configuration comes from. The zero value looks in the working
// folder and /etc, and has no flags and no environment.
type Sources struct {
	// File is --config; empty means to look for one.
	File string
	// DataDir is --data; a symbolon.yaml in it is looked at first.
	DataDir string
	// Flags are the other flags that were given. :: key of the file → value
	Flags map[string]string
	// Env is the environment as os.Environ returns it. A variable set to nothing
	// counts as not set.
	Env []string
	// Dir is the working folder; empty means the process's own.
	Dir string
	// Files asks for a look at the files that the configuration names, as Check has.
	Files bool
	// Etc is the folder of the system's configuration; empty means /etc/symbolon.
	Etc string
}

// NotFoundError says that no configuration file was found, and where Load looked.
type NotFoundError struct {
	Looked []string
}

// Error lists the places looked at and what to do.
func (e *NotFoundError) Error() string {
	return "no configuration found; looked for\n  " + strings.Join(e.Looked, "\n  ") +
		"\nname a file with --config, start one with `symbolon config example`, or try it without any: symbolon serve --dev"
}

// Variable is an environment variable that sets a key of the file.
type Variable struct {
	Name string // SYMBOLON_LISTEN
	Key  string // listen
}

// Variables returns the variables that Load reads for top-level texts and durations,
// in the order of the file. SYMBOLON_CONFIG, SYMBOLON_MASTER_KEY and SYMBOLON_MASTER_KEY_NEXT
// come beside them.
func Variables() []Variable {
	var all []Variable
	t := reflect.TypeFor[Config]()
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		if key != "" && key != "-" && (f.Type == reflect.TypeFor[string]() || f.Type == reflect.TypeFor[Duration]()) {
			all = append(all, Variable{variableOf(key), key})
		}
	}
	return all
}

func variableOf(key string) string { return varPrefix + strings.ToUpper(key) }

// Load finds the file, reads it strictly, lets variables and then flags overrule it,
// and returns the resolved result. It returns a NotFoundError, an InvalidError with
// everything wrong, or an error of reading. It reads the files named in it only if asked.
func Load(src Sources) (*Config, error) {
	dir, err := filepath.Abs(src.Dir)
	if err != nil {
		return nil, fmt.Errorf("finding the working folder: %w", err)
	}
	src.Dir = dir
	env := symbolonVariables(src.Env)
	name, text, err := src.read(env)
	if err != nil {
		return nil, err
	}
	c := newConfig()
	d := &decoder{newReport(map[string]place{}), name}
	d.document(text, c)
	if !d.bad[""] { // else nothing of the file was read
		c.anchor(filepath.Dir(name))
		d.overrule(c, src, env)
		c.Resolve()
		c.check(d.report)
		if src.Files {
			c.checkFiles(d.report)
		}
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	c.File, c.places = name, d.places
	return c, nil
}

// symbolonVariables returns those that are ours. :: name → value
func symbolonVariables(env []string) map[string]string {
	ours := map[string]string{}
	for _, pair := range env {
		if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, varPrefix) {
			ours[name] = value
		}
	}
	return ours
}

// candidate is one place to look for the file.
type candidate struct {
	file  string // absolute; empty when there is nothing to open
	shown string // as the reader knows it
	must  bool   // named on purpose: it is an error when it is missing
}

func (src Sources) candidates(env map[string]string) []candidate {
	if src.File != "" {
		return []candidate{{src.absolute(src.File), src.File, true}}
	}
	var all []candidate
	if src.DataDir != "" {
		beside := filepath.Join(src.DataDir, fileName)
		all = append(all, candidate{src.absolute(beside), beside, false})
	}
	if named := env[varConfig]; named != "" {
		return append(all, candidate{src.absolute(named), named, true})
	}
	etc := src.Etc
	if etc == "" {
		etc = "/etc/symbolon"
	}
	system := filepath.Join(etc, fileName)
	return append(all,
		candidate{"", "$" + varConfig + " (not set)", false},
		candidate{src.absolute(fileName), "./" + fileName, false},
		candidate{src.absolute(system), system, false})
}

func (src Sources) absolute(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(src.Dir, name)
}

// read returns the absolute name and the content of the first file there is.
func (src Sources) read(env map[string]string) (string, []byte, error) {
	var looked []string
	for _, at := range src.candidates(env) {
		looked = append(looked, at.shown)
		if at.file == "" {
			continue
		}
		text, err := readFile(at.file)
		if at.must || !errors.Is(err, fs.ErrNotExist) {
			return at.file, text, err
		}
	}
	return "", nil, &NotFoundError{looked}
}

// ErrTooLarge says that a file is longer than 1 MiB, which no configuration is.
var ErrTooLarge = errors.New("the file is larger than 1 MiB, so it is no configuration; name another one")

func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("opening configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("reading configuration %s: %w", name, ErrTooLarge)
	}
	return text, nil
}

// overrule sets what variables and then flags give. Their paths start at the
// working folder.
func (d *decoder) overrule(c *Config, src Sources, env map[string]string) {
	keys := map[string]string{} // :: variable → key
	for _, v := range Variables() {
		keys[v.Name] = v.Key
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch key := keys[name]; {
		case name == varConfig || name == varMaster || name == varNext || env[name] == "":
		case key == "":
			d.addAt(name, 0, name, "no such variable; %s", instead(name, keys))
		default:
			d.set(c, name, key, env[name])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(src.Flags)) {
		d.set(c, "--"+key, key, src.Flags[key])
	}
	if src.DataDir != "" {
		d.set(c, "--data", "data", src.DataDir)
	}
	c.MasterKey, c.NextMasterKey = secret.New(env[varMaster]), secret.New(env[varNext])
	c.anchor(src.Dir)
}

// instead says what to do about an unknown variable.
func instead(name string, keys map[string]string) string {
	word := strings.ToLower(strings.TrimPrefix(name, varPrefix))
	if near := nearest(word, slices.Sorted(maps.Values(keys))); near != "" {
		return "did you mean " + variableOf(near) + "?"
	}
	return "unset it"
}

// set gives one key of the top level a value from a variable or flag.
func (d *decoder) set(c *Config, source, key, value string) {
	field, ok := fields(c)[key]
	if !ok {
		d.addAt(source, 0, source, "there is no key %q to set; remove it", key)
		return
	}
	given := &decoder{d.report, source}
	given.value(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}, field, key)
}
