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

const keyColumns = `id, service, purpose, alg, kid, state, pinned, created_at, sign_from, sign_until, verify_until, sealed, public`

func scanKey(s scanner) (k keyring.Key, err error) {
	err = s.Scan(&k.ID, &k.Service, &k.Purpose, &k.Alg, &k.KID, &k.State, &k.Pinned, instant(&k.CreatedAt),
		instant(&k.SignFrom), instant(&k.SignUntil), instant(&k.VerifyUntil), &k.Sealed, &k.Public)
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
	return s.putKey(ctx, k, func(v *verb) error {
		_, err := v.Exec(`UPDATE signing_keys SET state = 'verifying', sign_until = $2, verify_until = $3
			WHERE id = $1 AND state = 'signing'`, old, millis(k.CreatedAt), orNull(verifyUntil))
		return err
	})
}

const insertKey = `INSERT INTO signing_keys
	(service, purpose, alg, kid, state, pinned, created_at, sign_from, sign_until, verify_until, sealed, public)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT DO NOTHING`

// putKey makes room, inserts k if there is room, and reads back the key that signs.
func (s *Store) putKey(ctx context.Context, k keyring.Key, makeRoom func(*verb) error) (signs keyring.Key, err error) {
	err = s.write(ctx, "storing signing key", token.Caller{Actor: "server"}, k.CreatedAt, func(v *verb) error {
		if err := makeRoom(v); err != nil {
			return fmt.Errorf("retiring key: %w", err)
		}
		added, err := v.changes(insertKey, k.Service, string(k.Purpose), k.Alg, k.KID, k.State, k.Pinned, millis(k.CreatedAt),
			orNull(k.SignFrom), orNull(k.SignUntil), orNull(k.VerifyUntil), k.Sealed, k.Public)
		if err != nil {
			return fmt.Errorf("inserting key: %w", err)
		}
		if added {
			detail := fmt.Sprintf("%s %s %s", k.Purpose, k.Alg, k.KID)
			if err := v.note(audit.KeyAdded, audit.Event{Service: k.Service, Detail: detail}); err != nil {
				return err
			}
		}
		signs, err = scanKey(v.QueryRow(`SELECT `+keyColumns+` FROM signing_keys WHERE service = $1 AND purpose = $2
			AND state = 'signing'`, k.Service, string(k.Purpose)))
		return err
	})
	return signs, err
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
