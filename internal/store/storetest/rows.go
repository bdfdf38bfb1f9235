package storetest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"symbolon/internal/account"
	"symbolon/internal/keyring"
	"symbolon/internal/store/sqlstore"
	"symbolon/internal/token"
)

var rowTests = map[string]func(*kit){
	"RowsOfEveryTable":      rowsOfEveryTable,
	"RowsKeptWhileNeeded":   rowsKeptWhileNeeded,
	"RowsPurgedInBatches":   rowsPurgedInBatches,
	"RowsOfFeedWithoutHole": rowsOfFeedWithoutHole,
}

// line is one row of a table by the names of its columns.
type line map[string]any

// at reads a column that holds a time; NULL is the zero time.
func (l line) at(column string) time.Time {
	if n, ok := l[column].(int64); ok {
		return time.UnixMilli(n).UTC()
	}
	return time.Time{}
}

// need is until when a row must stay and after when it must be gone; zero is for ever.
type need func(h *past, l line) time.Time

// table says what one table may and must hold.
type table struct {
	key     string // columns, by which a row is found again
	need    need
	changes bool // rows also go by verbs, not only by the purge
	goes    bool // the test must see rows go by the purge
}

func always(*past, line) time.Time { return time.Time{} }

// after keeps a row for a while after the time in the column, and for ever while there is none.
func after(column string, keep time.Duration) need {
	return func(_ *past, l line) time.Time {
		if at := l.at(column); !at.IsZero() {
			return at.Add(keep)
		}
		return time.Time{}
	}
}

const auditKept = 30 * day

// tables are all there are.
var tables = map[string]table{
	"accounts":       {key: "id", need: always},
	"identities":     {key: "provider subject", need: always},
	"subjects":       {key: "service subject", need: always},
	"subject_heads":  {key: "service", need: always},
	"account_groups": {key: "id", need: always, changes: true},
	"members":        {key: "group_id account_id", need: always, changes: true},
	"attrs":          {key: "account_id key", need: always, changes: true},
	"meta":           {key: "key", need: always, changes: true},
	"feed_head":      {key: "one", need: always},
	"not_before":     {key: "service", need: always},
	"lost_grants":    {key: "epoch", need: always},
	"grants":         {key: "id", need: neededGrant, goes: true},
	"feed":           {key: "seq", need: neededEntry, goes: true},
	"cutoffs":        {key: "service name", need: after("until", day), goes: true},
	"audit":          {key: "id", need: after("at", auditKept), goes: true},
	"activity":       {key: "hour service what", need: after("hour", auditKept), goes: true},
	"attempts":       {key: "key", need: after("last_at", day), changes: true, goes: true},
	"resets":         {key: "account_id", need: after("expires_at", day), changes: true, goes: true},
	"runs":           {key: "id", need: neededRun, goes: true},
	"nodes":          {key: "run", need: neededNode, changes: true},
	"signing_keys":   {key: "id", need: neededKey, goes: true},
}

// neededGrant goes by what the test knows of the tokens of a grant, and a day.
func neededGrant(h *past, l line) time.Time {
	m := h.grants[l["id"].(int64)]
	if m == nil || m.last.IsZero() {
		return time.Time{}
	}
	return m.last.Add(day)
}

// neededEntry: seven days, and no entry goes before those that are ahead of it, or who follows would miss it.
func neededEntry(h *past, l line) (until time.Time) {
	for _, other := range h.rows["feed"] {
		if t := other.at("at").Add(7 * day); other["seq"].(int64) <= l["seq"].(int64) && t.After(until) {
			until = t
		}
	}
	return until
}

func neededRun(_ *past, l line) time.Time {
	over := l.at("ended_at")
	if over.IsZero() {
		over = l.at("crashed_at")
	}
	if over.IsZero() {
		return over
	}
	return over.Add(2 * day)
}

func neededNode(h *past, l line) time.Time {
	run, ok := h.rows["runs"][fmt.Sprint(l["run"])]
	if !ok {
		return start // nobody's
	}
	return neededRun(h, run)
}

func neededKey(_ *past, l line) time.Time {
	if l["state"] != keyring.StateGone {
		return time.Time{}
	}
	return l.at("verify_until").Add(auditKept)
}

// dump reads every row. :: table → key → row
func (k *kit) dump() map[string]map[string]line {
	k.Helper()
	all := map[string]map[string]line{}
	k.must(k.engine.Raw(k.Store, func(tx sqlstore.Tx) error {
		for name, t := range tables {
			rows, err := readRows(tx, "SELECT * FROM "+name)
			if err != nil {
				return fmt.Errorf("reading %s: %w", name, err)
			}
			all[name] = map[string]line{}
			for _, l := range rows {
				var key []string
				for _, column := range strings.Fields(t.key) {
					key = append(key, fmt.Sprint(l[column]))
				}
				all[name][strings.Join(key, " ")] = l
			}
		}
		return nil
	}))
	return all
}

func readRows(tx sqlstore.Tx, query string) (all []line, err error) {
	rows, err := tx.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values := make([]any, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		l := line{}
		for i, c := range columns {
			l[c] = values[i]
		}
		all = append(all, l)
	}
	return all, rows.Err()
}

// Whoever adds a table says here for how long its rows are needed.
func rowsOfEveryTable(k *kit) {
	var names []string
	k.must(k.engine.Raw(k.Store, func(tx sqlstore.Tx) error {
		rows, err := tx.Query(k.engine.Tables)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if err := rows.Scan(&name); err != nil {
				return err
			}
			names = append(names, name)
		}
		return rows.Err()
	}))
	if len(names) == 0 {
		k.Fatal("no table was found: the test shows nothing")
	}
	for _, name := range names {
		if _, ok := tables[name]; !ok && name != "goose_db_version" && !strings.HasPrefix(name, "sqlite_") {
			k.Errorf("nothing says for how long a row of %s is needed: name the table in tables", name)
		}
	}
	for name := range tables {
		if !slices.Contains(names, name) {
			k.Errorf("there is no table %s", name)
		}
	}
}

// past is one random history and what its reader keeps in mind.
type past struct {
	*kit
	r       *rand.Rand
	other   nodes // a second server's
	runs    [2]int64
	people  []*someone
	grants  map[int64]*minted
	rows    map[string]map[string]line // as they were before the present step
	epochs  int
	serial  int
	history []string
}

type someone struct {
	id   int64
	name string
}

// rowsKeptWhileNeeded: after each purge every table holds what is needed, and nothing else; between purges no verb takes
// back a revocation.
func rowsKeptWhileNeeded(k *kit) {
	seed := rand.Uint64()
	k.Logf("seed %d", seed)
	h := &past{kit: k, r: rand.New(rand.NewPCG(seed, 3)), grants: map[int64]*minted{}}
	h.other = k.beside().(nodes)
	h.other.ServeAs(sqlstore.Node{Name: "other"})
	h.begin(0, k.Store.(nodes))
	h.begin(1, h.other)
	h.arrive()
	h.rows = k.dump()
	gone := map[string]int{} // :: table → rows that a purge removed
	const steps = 400
	for i := range steps {
		step, purges := "purge", true
		switch {
		case i < lesserSteps: // each once
			step, purges = h.lesserStep(h.people[0], i), false
		case i < steps-1:
			step, purges = h.step()
		default: // and in the end all that can go
			h.pass(100 * day)
		}
		h.history = append(h.history, step)
		was := h.rows
		if purges {
			h.purge(gone)
		}
		h.rows = k.dump()
		h.nothingRevives(was, purges)
		h.noteEnds(was, step)
		if k.T.Failed() {
			k.Fatalf("seed %d, history:\n%s", seed, strings.Join(h.history, "\n"))
		}
	}
	k.Logf("purged: %v", gone)
	for name, t := range tables {
		if t.goes && gone[name] == 0 {
			k.Errorf("no row of %s was ever purged: the test shows nothing of it", name)
		}
	}
	for key := range h.rows["meta"] {
		if strings.HasPrefix(key, "clock_hold") {
			k.Errorf("there is a row %s, and no clock is held", key)
		}
	}
}

func (h *past) begin(i int, n nodes) {
	h.Helper()
	run, _, err := n.Start(ctx, h.now(), nil)
	h.must(err)
	h.runs[i] = run
}

func (h *past) arrive() string {
	h.Helper()
	h.serial++
	s := &someone{name: name("robot", h.serial)}
	s.id = h.robot(s.name)
	h.people = append(h.people, s)
	return "account " + s.name
}

func (h *past) anyone() *someone { return h.people[h.r.IntN(len(h.people))] }

func (h *past) anyGrant() *minted {
	var all []*minted
	for _, m := range h.grants {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b *minted) int { return int(a.grant.ID - b.grant.ID) })
	if len(all) == 0 {
		return nil
	}
	return all[h.r.IntN(len(all))]
}

func (h *past) issueOne() string {
	who := h.anyone()
	var m *minted
	switch h.r.IntN(8) {
	case 0:
		h.serial++
		v := h.verb(token.Browser, "", who.id)
		v.SecretHash = append(make([]byte, 30), byte(h.serial), byte(h.serial>>8))
		g := h.issueVerb(v).Grant
		m = &minted{g, g.Cap}
	case 1:
		v := h.verb(token.Session, "samples", who.id)
		if parent := h.anyGrant(); parent != nil && parent.grant.Kind == token.APIKey && parent.grant.Account == who.id {
			if g, err := h.Grant(ctx, parent.grant.ID); err == nil && g.State(h.now()) == "live" { // it may have been purged
				v.Grant.Parent = g.ID
			}
		}
		g := h.issueVerb(v).Grant
		m = &minted{g, g.ExpiresAt}
	default:
		m = h.mintSomething(h.r, who.id)
	}
	h.grants[m.grant.ID] = m
	return fmt.Sprintf("issue %s %d to %s", m.grant.Kind, m.grant.ID, who.name)
}

// step does one thing; purges says that a purge is to follow.
func (h *past) step() (what string, purges bool) {
	who := h.anyone()
	switch n := h.r.IntN(100); {
	case n < 25:
		return h.issueOne(), false
	case n < 37:
		if m := h.anyGrant(); m != nil && h.rows["grants"][fmt.Sprint(m.grant.ID)] != nil {
			h.rotateSomething(m, h.r)
			return fmt.Sprintf("rotate %d", m.grant.ID), false
		}
	case n < 44:
		if m := h.anyGrant(); m != nil {
			if _, err := h.Revoke(ctx, token.RevokeVerb{By: operator, Now: h.now(), Grant: m.grant.ID}); err != nil {
				h.refused(err, token.NotFound)
			}
			return fmt.Sprintf("revoke %d", m.grant.ID), false
		}
	case n < 47:
		status := []string{"", account.Disabled, account.Deleted}[h.r.IntN(3)]
		h.revoke(token.RevokeVerb{Account: who.id, Status: status})
		switch status {
		case account.Disabled:
			_, err := h.EnableAccount(ctx, by, h.now(), who.name)
			h.must(err)
		case account.Deleted:
			h.people = slices.DeleteFunc(h.people, func(s *someone) bool { return s == who })
			h.arrive()
		}
		return fmt.Sprintf("end all of %s %s", who.name, status), false
	case n < 50:
		return h.arrive(), false
	case n < 70:
		d := time.Duration(h.r.Int64N(int64(4*day))) - day/2
		h.pass(d)
		return fmt.Sprintf("pass %s", d), false
	case n < 80:
		return "purge", true
	default:
		return h.lesserStep(who, h.r.IntN(lesserSteps)), false
	}
	return "nothing", false
}

const lesserSteps = 14

// lesserStep does what makes rows beside grants.
func (h *past) lesserStep(who *someone, n int) string {
	key := name("source", h.r.IntN(5))
	hash := [32]byte{byte(h.r.IntN(4)), byte(who.id)}
	h.serial++
	switch n {
	case 0, 1:
		h.must(h.Failed(ctx, by, key, who.id, h.now(), time.Hour))
		return "failed sign-in from " + key
	case 2:
		h.must(h.Succeeded(ctx, key))
		return "sign-in from " + key
	case 3, 4:
		h.must(h.AddReset(ctx, account.ResetVerb{By: by, Now: h.now(), Name: who.name, Hash: hash, Expires: h.now().Add(day)}))
		return "reset link of " + who.name
	case 5:
		_, err := h.UseReset(ctx, account.UseResetVerb{By: by, Now: h.now(), Hash: hash, PasswordHash: "$new"})
		if err != nil {
			h.accountRefused(err, account.ErrNotFound)
		}
		return "reset link used"
	case 6:
		h.setAttrs(who.name, map[string]string{"samples.user_codes": fmt.Sprint(h.serial)})
		return "attribute of " + who.name
	case 7:
		group := name("group", h.serial)
		_, err := h.AddGroup(ctx, by, h.now(), group, fmt.Sprintf("%032d", h.serial), who.name)
		h.must(err)
		h.must(h.AddMember(ctx, by, h.now(), group, who.name))
		if h.r.IntN(2) == 0 {
			h.must(h.DeleteGroup(ctx, by, h.now(), group))
		}
		return group
	case 8:
		h.must(h.AddActivity(ctx, []token.Activity{did(h.now().Truncate(time.Hour), "samples", token.DeedRefreshed, 1)}))
		return "activity"
	case 9, 10:
		return h.turnKey()
	case 11:
		if h.epochs < 2 {
			h.epochs++
			_, err := h.NewEpoch(ctx, sqlstore.EpochVerb{By: operator, Now: h.now()})
			h.must(err)
			return "epoch"
		}
	}
	return h.serve()
}

// turnKey makes a signing key in the place of the present one, which goes.
func (h *past) turnKey() string {
	kid := name("key", h.serial)
	next := signingKey(kid)
	next.CreatedAt = h.now()
	all, err := h.Keys(ctx)
	h.must(err)
	for _, key := range all {
		if key.State == keyring.StateSigning {
			h.must(h.RemoveKey(ctx, keyring.Act{By: "operator", At: h.now()}, key.ID, &next))
			return kid
		}
	}
	_, err = h.AddKey(ctx, next)
	h.must(err)
	return kid
}

// serve lets one of two servers give a sign of life, end or begin.
func (h *past) serve() string {
	h.must(h.Alive(ctx, token.AliveVerb{Run: h.runs[0], Now: h.now()}))
	final := h.r.IntN(2) == 0
	h.must(h.other.Alive(ctx, token.AliveVerb{Run: h.runs[1], Now: h.now(), Final: final}))
	if final || h.r.IntN(2) == 0 {
		h.begin(1, h.other)
	}
	return fmt.Sprintf("servers live, ended %v", final)
}

// purge purges until nothing more goes, and compares with what is needed.
func (h *past) purge(gone map[string]int) {
	h.Helper()
	batch := []int{3, 1000}[h.r.IntN(2)]
	h.rows = h.dump()
	now := h.now()
	after := h.rows
	for quiet := false; !quiet; {
		before := after
		for cursor := int64(0); ; {
			next, _, err := h.Purge(ctx, token.PurgeVerb{Now: now, Cursor: cursor, Batch: batch, Retention: token.Retention{AuditKeep: auditKept}})
			h.must(err)
			if cursor = next; next == 0 {
				break
			}
		}
		after = h.dump()
		quiet = true
		for name := range tables {
			quiet = quiet && len(after[name]) == len(before[name])
		}
	}
	for name, t := range tables {
		for key, l := range h.rows[name] {
			until := t.need(h, l)
			over := !until.IsZero() && until.Before(now)
			_, there := after[name][key]
			switch {
			case over && there:
				h.Errorf("row %s of %s outlives its need, which was over at %s; it is %s", key, name, until, now)
			case !over && !there:
				h.Errorf("row %s of %s went early: it is needed until %s and it is %s", key, name, until, now)
			case over:
				gone[name]++
			}
		}
	}
}

// nothingRevives: no verb takes back a revocation, and but for what is purged only rows that verbs may remove are gone.
func (h *past) nothingRevives(was map[string]map[string]line, purged bool) {
	h.Helper()
	for name, t := range tables {
		for key, before := range was[name] {
			now, there := h.rows[name][key]
			if !there {
				if !t.changes && !purged {
					h.Errorf("row %s of %s is gone, and nothing was purged", key, name)
				}
				continue
			}
			for table, columns := range map[string]string{"grants": "revoked_at", "cutoffs": "at until", "not_before": "at", "feed": "at"} {
				for _, c := range strings.Fields(columns) {
					if table == name && now.at(c).Before(before.at(c)) {
						h.Errorf("%s of row %s of %s went from %s back to %s", c, key, name, before.at(c), now.at(c))
					}
				}
			}
		}
	}
	loaded := map[int64]bool{}
	for _, e := range h.load() {
		loaded[e.Grant] = loaded[e.Grant] || e.Kind == token.EntryGrant
	}
	for key, l := range h.rows["grants"] {
		if !l.at("revoked_at").IsZero() && !loaded[l["id"].(int64)] {
			h.Errorf("grant %s is revoked, and who starts does not hear of it", key)
		}
	}
}

// noteEnds keeps in mind what ended with this step. An application token that is not on the list is refused and so is a
// browser that is signed out, so their rows need not stay; after an epoch the browsers' rows are needed as before.
func (h *past) noteEnds(was map[string]map[string]line, step string) {
	for id, m := range h.grants {
		key := fmt.Sprint(id)
		ended := h.rows["grants"][key].at("revoked_at")
		if ended.IsZero() || !was["grants"][key].at("revoked_at").IsZero() {
			continue
		}
		if m.grant.Kind == token.Application || m.grant.Kind == token.Browser && step != "epoch" {
			m.last = ended
		}
	}
}

// One purge removes at most a batch of each table, so that other verbs get their turn between.
func rowsPurgedInBatches(k *kit) {
	const batch = 4
	for i := range 12 {
		ada := k.robot(name("ada", i))
		k.issue(token.Session, "ecology", ada)
		k.must(k.Failed(ctx, by, name("source", i), ada, k.now(), time.Hour))
		k.addReset(name("ada", i), byte(i))
		k.revoke(token.RevokeVerb{Account: ada})
		k.must(k.AddActivity(ctx, []token.Activity{did(hour.Add(time.Duration(i)*time.Hour), "samples", token.DeedRefreshed, 1)}))
		_, _, err := k.Start(ctx, k.now(), nil)
		k.must(err)
	}
	k.pass(100 * day)
	before, left := k.dump(), map[string]int{}
	for round := 0; ; round++ {
		for i := range 12 { // others write between
			k.must(k.Failed(ctx, by, name("later", i), 0, k.now(), time.Hour))
		}
		k.pass(2 * time.Minute) // the lease of the run before
		_, _, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Cursor: 0, Batch: batch, Retention: token.Retention{AuditKeep: auditKept}})
		k.must(err)
		after, most := k.dump(), 0
		for name := range tables {
			went := 0
			for key := range before[name] {
				if _, there := after[name][key]; !there {
					went++
				}
			}
			most = max(most, went)
			if went > batch {
				k.Errorf("one purge removed %d rows of %s, a batch is %d", went, name, batch)
			}
			left[name] = len(after[name])
		}
		before = after
		if most == 0 && round > 0 {
			break
		}
	}
	for _, name := range []string{"grants", "feed", "cutoffs", "activity", "resets"} {
		equal(k, "rows left of "+name, left[name], 0)
	}
}

// An entry of a clock that was far behind goes no earlier than those before it: who follows would pass over it unseen.
func rowsOfFeedWithoutHole(k *kit) {
	ada := k.robot("ada")
	var grants []token.Grant
	for range 5 {
		grants = append(grants, k.issue(token.Application, "samples", ada))
	}
	at := k.now()
	for i, g := range grants {
		now := at
		if i == 2 || i == 3 {
			now = at.Add(-30 * day) // of a machine whose clock was not set
		}
		_, err := k.Revoke(ctx, token.RevokeVerb{By: operator, Now: now, Grant: g.ID})
		k.must(err)
	}
	_, _, err := k.Purge(ctx, token.PurgeVerb{Now: k.now(), Batch: 100})
	k.must(err)
	seen := map[int64]bool{}
	for _, e := range k.entries() {
		seen[e.Grant] = true
	}
	for i, g := range grants {
		if !seen[g.ID] {
			k.Errorf("who follows from the beginning does not hear of the end of grant %d, entry %d", g.ID, i+1)
		}
	}
}
