"""What Slack's answers mean: the word in the body first, the status only without a known word.

Words: docs.slack.dev (chat.postMessage, incoming webhooks) and Slack's changelog of 2016-05-17.
"""

from typing import Final

from junctor.sdk import (
    AuthenticationFailed,
    DestinationUnavailable,
    InvalidPayload,
    Misconfigured,
    RateLimited,
    Response,
    raise_for_status,
    retry_after,
)

_BAD_MESSAGE: Final = frozenset((
    "attachment_payload_limit_exceeded", "invalid_arguments", "invalid_attachments",
    "invalid_blocks", "invalid_blocks_format", "invalid_form_data", "invalid_json",
    "invalid_payload", "message_too_long", "missing_text_or_fallback_or_attachments",
    "msg_blocks_too_long", "msg_too_long", "no_text", "too_many_attachments", "user_not_found",
))  # fmt: skip
_BAD_CREDENTIALS: Final = frozenset((
    "access_denied", "account_inactive", "action_prohibited", "ekm_access_denied", "invalid_auth",
    "invalid_token", "missing_scope", "no_permission", "not_allowed_token_type", "not_authed",
    "org_login_required", "posting_to_general_channel_denied", "restricted_action",
    "restricted_action_read_only_channel", "restricted_action_thread_only_channel",
    "team_access_not_granted", "token_expired", "token_revoked", "two_factor_setup_required",
))  # fmt: skip
_WRONG_PLACE: Final = frozenset((
    "channel_not_found", "invalid_channel", "no_active_hooks", "no_service", "no_service_id",
    "no_team", "not_in_channel", "team_disabled",
))  # fmt: skip
_ARCHIVED: Final = frozenset(("channel_is_archived", "is_archived"))
_TOO_FAST: Final = frozenset(("rate_limited", "ratelimited", "message_limit_exceeded"))
_SLACK_FAULT: Final = frozenset((
    "fatal_error", "internal_error", "request_timeout", "rollup_error", "server_error",
    "service_unavailable", "team_added_to_org",
))  # fmt: skip


def error_word(response: Response) -> str | None:
    """Return Slack's word for what went wrong, or None: JSON `error`, else a one-word body."""
    answer = response.json()
    if isinstance(answer, dict):
        if answer.get("ok") is not False:
            return None
        error = answer.get("error")
        return error[:64] if isinstance(error, str) else "unknown_error"
    word = response.text.strip()
    return word if word != "ok" and word.replace("_", "").isalnum() and len(word) < 64 else None


def raise_for_answer(response: Response) -> None:
    """Raise what the answer means; return when the message was taken.

    Raises:
        AuthenticationFailed: token or hook refused.
        Misconfigured: channel or hook missing; an archived channel permanently.
        RateLimited: too fast.
        DestinationUnavailable: Slack's own fault.
        InvalidPayload: this message will never be taken.
    """
    word = error_word(response)
    status = response.status
    said = f"Slack says {word}"
    if word in _BAD_MESSAGE:
        raise InvalidPayload(said, status=status)
    if word in _BAD_CREDENTIALS:
        raise AuthenticationFailed(f"{said}; check token or webhook_url", status=status)
    if word in _ARCHIVED:
        raise Misconfigured(f"{said}; the channel is archived", status=status, permanent=True)
    if word in _WRONG_PLACE:
        raise Misconfigured(f"{said}; check channel or webhook_url", status=status)
    if word in _TOO_FAST:
        raise RateLimited(said, retry_after=retry_after(response), status=status)
    if word in _SLACK_FAULT:
        raise DestinationUnavailable(said, status=status)
    raise_for_status(response)
    if isinstance(response.json(), dict) and word is not None:  # 200, but `"ok": false`
        raise InvalidPayload(said, status=status)
