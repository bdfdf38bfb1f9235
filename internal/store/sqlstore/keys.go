package sqlstore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"symbolon/internal/audit"
	"symbolon/internal/keyring"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

const keyColumns = `id, service, purpose, alg, kid, state, pinned, created_at, sign_from, sign_until, verify_until, sealed, public, master`

func scanKey(s scanner) (k keyring.Key, err error) {
	err = s.Scan(&k.ID, &k.Service, &k.Purpose, &k.Alg, &k.KID, &k.State, &k.Pinned, instant(&k.CreatedAt),
		instant(&k.SignFrom), instant(&k.SignUntil), instant(&k.VerifyUntil), &k.Sealed, &k.Public, &k.Master)
	return k, err
}

// Keys returns all signing keys in every state, by ascending number.
func (s *Store) Keys(ctx context.Context) (all []keyring.Key, err error) {
	err = s.read(ctx, "reading signing keys", func(tx Tx) (err error) {
		all, err = collect(tx, scanKey, `SELECT `+keyColumns+` FROM signing_keys ORDER BY id`)
		return err
	})
	return all, err
}

// AddKey inserts a key unless another signs already for its service and purpose, and returns the one that signs.
func (s *Store) AddKey(ctx context.Context, k keyring.Key) (keyring.Key, error) {
	return s.putKey(ctx, k, func(*verb) error { return nil })
}

// ReplaceKey inserts a key in place of the key old, if that still signs, and returns the one that signs.
func (s *Store) ReplaceKey(ctx context.Context, old int64, verifyUntil time.Time, k keyring.Key) (keyring.Key, error) {
	return s.putKey(ctx, k, func(v *verb) error { return v.stopSigning(old, k.CreatedAt, verifyUntil) })
}

func (v *verb) stopSigning(id int64, at, verifyUntil time.Time) error {
	_, err := v.Exec(`UPDATE signing_keys SET state = 'verifying', sign_until = $2, verify_until = $3
		WHERE id = $1 AND state = 'signing'`, id, millis(at), orNull(verifyUntil))
	return err
}

const insertKey = `INSERT INTO signing_keys
	(service, purpose, alg, kid, state, pinned, created_at, sign_from, sign_until, verify_until, sealed, public, master)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`

var errOtherMaster = token.Refuse(token.Conflict, "the keys were sealed anew meanwhile: try again")

// sameMaster refuses a key under another master key than the others: whoever changes that locks the MAC key's row too.
func (v *verb) sameMaster(k keyring.Key) error {
	master, err := value[string](v.QueryRow(`SELECT master FROM signing_keys WHERE service = '' AND purpose = 'mac' AND state = 'signing'` + v.store.db.Lock()))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("reading name of master key: %w", err)
	case master != "" && master != k.Master:
		return errOtherMaster
	}
	return nil
}

// insertKey reports whether there was room for the key.
func (v *verb) insertKey(k keyring.Key) (bool, error) {
	if err := v.sameMaster(k); err != nil {
		return false, err
	}
	added, err := v.changes(insertKey, k.Service, string(k.Purpose), k.Alg, k.KID, k.State, k.Pinned, millis(k.CreatedAt),
		orNull(k.SignFrom), orNull(k.SignUntil), orNull(k.VerifyUntil), k.Sealed, k.Public, k.Master)
	if err != nil {
		return false, fmt.Errorf("inserting key: %w", err)
	}
	if !added {
		return false, nil
	}
	return true, v.noteKey(audit.KeyAdded, k)
}

// noteKey tells the audit and the feed.
func (v *verb) noteKey(kind audit.Kind, k keyring.Key) error {
	v.feed = append(v.feed, token.Entry{Kind: token.EntryKeys, Service: k.Service, At: v.now})
	return v.note(kind, audit.Event{Service: k.Service, Detail: fmt.Sprintf("%s %s %s", k.Purpose, k.Alg, k.KID)})
}

// putKey makes room, inserts k if there is room, and reads back the key that signs.
func (s *Store) putKey(ctx context.Context, k keyring.Key, makeRoom func(*verb) error) (signs keyring.Key, err error) {
	err = s.write(ctx, "storing signing key", token.Caller{Actor: "server"}, k.CreatedAt, func(v *verb) error {
		if err := makeRoom(v); err != nil {
			return fmt.Errorf("retiring key: %w", err)
		}
		if _, err := v.insertKey(k); err != nil {
			return err
		}
		signs, err = scanKey(v.QueryRow(`SELECT `+keyColumns+` FROM signing_keys WHERE service = $1 AND purpose = $2
			AND state = 'signing'`, k.Service, string(k.Purpose)))
		return err
	})
	return signs, err
}

// keyVerb runs fn as one verb of an act.
func (s *Store) keyVerb(ctx context.Context, doing string, a keyring.Act, fn func(*verb) error) error {
	return s.write(ctx, doing, token.Caller{Actor: a.By}, a.At, fn)
}

// PublishKey inserts a key that will sign later, unless there is one; see keyring.Store.
func (s *Store) PublishKey(ctx context.Context, a keyring.Act, k keyring.Key) error {
	return s.keyVerb(ctx, "publishing key", a, func(v *verb) error {
		_, err := v.insertKey(k)
		return err
	})
}

const selectKey = `SELECT ` + keyColumns + ` FROM signing_keys WHERE id = $1`

// key reads a key and locks it; the zero Key is none.
func (v *verb) key(id int64) (keyring.Key, error) {
	k, err := scanKey(v.QueryRow(selectKey+v.store.db.Lock(), id))
	if errors.Is(err, sql.ErrNoRows) {
		return keyring.Key{}, nil
	}
	if err != nil {
		return keyring.Key{}, fmt.Errorf("reading key: %w", err)
	}
	return k, nil
}

// PromoteKey lets a published key sign in place of another; see keyring.Store.
func (s *Store) PromoteKey(ctx context.Context, a keyring.Act, next, old int64, verifyUntil time.Time) error {
	return s.keyVerb(ctx, "changing the signing key", a, func(v *verb) error {
		was, err := v.key(old)
		if err != nil {
			return err
		}
		is, err := v.key(next)
		if err != nil || was.State != keyring.StateSigning || is.State != keyring.StatePublished {
			return err
		}
		if err := v.stopSigning(old, v.now, verifyUntil); err != nil {
			return fmt.Errorf("retiring key: %w", err)
		}
		if _, err := v.Exec(`UPDATE signing_keys SET state = 'signing', sign_from = $2 WHERE id = $1`, next, millis(v.now)); err != nil {
			return fmt.Errorf("promoting key: %w", err)
		}
		return v.noteKey(audit.KeySigns, is)
	})
}

// RemoveKey ends a key for good; see keyring.Store.
func (s *Store) RemoveKey(ctx context.Context, a keyring.Act, id int64, instead *keyring.Key) error {
	return s.keyVerb(ctx, "removing key", a, func(v *verb) error {
		k, err := v.key(id)
		if err != nil || k.ID == 0 || k.State == keyring.StateGone {
			return err
		}
		if k.State != keyring.StateSigning {
			return v.erase(k)
		}
		if instead == nil {
			return token.Refuse(token.Conflict, "the key %s signs: look again", k.KID)
		}
		if err := v.eraseNext(k); err != nil {
			return err
		}
		if err := v.erase(k); err != nil {
			return err
		}
		_, err = v.insertKey(*instead)
		return err
	})
}

// eraseNext ends the key that was to follow k.
func (v *verb) eraseNext(k keyring.Key) error {
	next, err := scanKey(v.QueryRow(`SELECT `+keyColumns+` FROM signing_keys WHERE service = $1 AND purpose = $2
		AND state = 'published'`+v.store.db.Lock(), k.Service, string(k.Purpose)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading next key: %w", err)
	}
	return v.erase(next)
}

func (v *verb) erase(k keyring.Key) error {
	until := k.SignUntil
	if k.State == keyring.StateSigning {
		until = v.now
	}
	_, err := v.Exec(`UPDATE signing_keys SET state = 'gone', sign_until = $2, verify_until = $3, sealed = $4 WHERE id = $1`,
		k.ID, orNull(until), millis(v.now), []byte{})
	if err != nil {
		return fmt.Errorf("erasing key: %w", err)
	}
	return v.noteKey(audit.KeyRemoved, k)
}

var errResealed = token.Refuse(token.Conflict, "another seal")

// Reseal changes the seals of all keys, or of none; see keyring.Store.
func (s *Store) Reseal(ctx context.Context, a keyring.Act, seals []keyring.Seal) (done bool, err error) {
	err = s.keyVerb(ctx, "sealing keys anew", a, func(v *verb) error {
		count, err := value[int](v.QueryRow(`SELECT COUNT(*) FROM signing_keys WHERE state <> 'gone'`))
		if err != nil || count != len(seals) {
			return err
		}
		for _, seal := range seals {
			changed, err := v.changes(`UPDATE signing_keys SET sealed = $3, master = $4 WHERE id = $1 AND sealed = $2 AND state <> 'gone'`,
				seal.ID, seal.Was, seal.Now, seal.Master)
			if err != nil {
				return fmt.Errorf("storing seal: %w", err)
			}
			if !changed {
				return errResealed
			}
		}
		done = true
		v.feed = append(v.feed, token.Entry{Kind: token.EntryKeys, At: v.now})
		return v.note(audit.KeysResealed, audit.Event{Detail: fmt.Sprintf("%d keys", count)})
	})
	if errors.Is(err, errResealed) {
		return false, nil
	}
	return done && err == nil, err
}

// Applications returns the live grants of application tokens that a service made between two moments, oldest first.
func (s *Store) Applications(ctx context.Context, service string, from, to time.Time) (all []token.Grant, err error) {
	err = s.read(ctx, "reading application tokens", func(tx Tx) (err error) {
		all, err = collect(tx, scanGrant, `SELECT `+grantColumns+` FROM grants WHERE kind = 'application' AND service = $1
			AND issued_at >= $2 AND issued_at < $3 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $4)
			ORDER BY issued_at, id`, service, from.UnixMilli(), to.UnixMilli(), millis(s.now()))
		return err
	})
	return all, err
}

// Installation returns a random text, made at the first call and never changed.
func (s *Store) Installation(ctx context.Context) (id string, err error) {
	const selectInstallation = `SELECT value FROM meta WHERE key = 'installation'`
	err = s.read(ctx, "reading installation", func(tx Tx) (err error) {
		id, err = value[string](tx.QueryRow(selectInstallation))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil || id != "" {
		return id, err
	}
	fresh := hex.EncodeToString(secret.Random(16))
	err = s.write(ctx, "naming installation", token.Caller{}, s.now(), func(v *verb) (err error) {
		if _, err := v.Exec(`INSERT INTO meta (key, value) VALUES ('installation', $1) ON CONFLICT DO NOTHING`, fresh); err != nil {
			return err
		}
		id, err = value[string](v.QueryRow(selectInstallation))
		return err
	})
	return id, err
}
