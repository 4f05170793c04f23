"""The examples of examples.toml, in Python."""

from junctor.audience import (
    all_of,
    audience,
    define,
    event,
    goal,
    known,
    member,
    score,
    seq,
    signal,
    silence,
    state,
    trait,
)

PRICING = event("page_view", path="/pricing*")
SUBMITTED = event("Payment Submitted")

audience(
    "high_intent",
    PRICING.at_least(3).within("48h") & event("Email Opened", campaign="case-study*").within("30d"),
    about="Evaluating now",
    lever="conversion",
    outcome=event("Trial Started").within("14d"),
    send=["statsig", "slack"],
)
audience(
    "power_user",
    event("login").days(">=7").within("10d") & event("Teammate Invited"),
    zone="Europe/Vienna",
)
audience(
    "churn_risk",
    known(">=7d")
    & event("login").never().within("7d")
    & event("Launch Announced").within("30d")
    & event("Launch Opened").never().within("30d"),
    outcome=event("Subscription Cancelled").within("30d"),
)
audience(
    "activation_stalled",
    seq("Onboarding Started", event("Onboarding Step Skipped", step=2).within("7d")).hold("14d"),
    exit=event("Onboarding Completed"),
)
audience(
    "cart_abandoner",
    seq("Product Added", silence("Checkout Started", "Product Added", "page_view", for_="3d")),
    hold="14d",
    exit=event("Order Completed"),
)
audience(
    "payment_bounce",
    seq(
        event("page_view", path="/pricing"),
        event("Checkout Started").within("30m"),
        event("Payment Step Viewed").within("30m"),
        event("$exit").within("30s").without(SUBMITTED),
    ).hold("24h"),
    key="session",
)
audience(
    "slow_payment_mobile",
    trait("context.device.type", ["mobile", "ios", "android"])
    & seq(
        event("Payment Step Viewed").as_("pay"),
        event("$exit").after("8s").within("10m").without("Payment Submitted"),
    ).hold("24h"),
    key="session",
    outcome=goal("Order Completed", within="7d", value="revenue"),
)
audience(
    "pricing_no_trial",
    event("page_view", path="/pricing").at_least(3).within("30d") & event("Trial Started").never(),
)
audience(
    "a_before_b",
    seq(event("Product Viewed", product_id="A"), event("Product Added", product_id="B")).within(
        "30d"
    ),
)
audience(
    "payment_loop",
    seq(
        event("Payment Failed", reason="validation").count(3),
        event("$exit").within("10m").without(SUBMITTED),
    ).within("30m"),
    key="session",
)
audience(
    "survey_target",
    event("Report Exported").at_least(10).within("30d")
    & event("Report Exported").never().since("2026-11-01")
    & (
        trait("survey.nps.score", "<=6")
        | event("Survey Completed", form="NPS").never().within("90d")
    )
    & ~(trait("plan", "free") | member("churn_risk")),
)
define(
    "scores",
    "readiness",
    half_life="14d",
    range=[-20, 100],
    rules=[
        PRICING.adds(5),
        event("Demo Replayed").adds(4),
        event("Teammate Invited").adds(6, once=True),
        event("Onboarding Step Skipped").adds(-3),
        seq(
            event("Email Opened").as_("o"),
            silence(event("Email Clicked", message_id="$o.message_id"), for_="24h"),
        ).adds(-1),
    ],
)
audience(
    "sales_ready",
    score("readiness", ">=12") & trait("email", {"exists": True}),
    settle="1m",
    cooldown="30d",
)

signal("rage_click", event("click").at_least(3).within("1s").same("element", "path"))
signal(
    "error_loop",
    event("error", "Payment Failed", "api_error").at_least(3).within("2m").same("code"),
)
signal("slow_page", event("page_loaded", load_ms=">=4000"))
signal("nav_loop", event("page_view", "screen_view").at_least(4).within("5m").same("path"))
signal("form_retry", event("form_submit").at_least(3).within("5m").same("form_id"))
signal(
    "dead_click",
    seq(
        event("click", interactive=True).as_("c"),
        silence("page_view", "dom_change", "request", for_="3s"),
    ),
)
signal(
    "rephrase",
    event("agent_message", role="user", similarity_to_previous=">=0.8")
    .at_least(2)
    .within("10m")
    .same("conversation_id"),
)

define(
    "states",
    "checkout",
    set=[
        event("Checkout Step Viewed").sets("$step"),
        event("Order Completed", "$exit").sets(""),
    ],
    per="session",
)
audience(
    "stuck_on_payment",
    all_of(
        state("checkout", "payment").for_(">=8s"),
        event("signal:rage_click").within("1m") | event("signal:slow_page").within("1m"),
    ),
    key="session",
)
audience("slow_buyers", state("checkout", "payment").spent(">=5m", within="7d"))

define(
    "attributes",
    "ltv_band",
    agg="sum",
    prop="revenue",
    bands={"low": 0, "mid": 100, "high": 500},
    **event("Order Completed"),
)
define("attributes", "last_product_category", agg="last", event="Product Viewed", prop="category")
define(
    "attributes",
    "count_offer_listing_clicks",
    agg="counter",
    event="Offer Clicked",
    period="30d",
    default=0,
)
define("attributes", "hours_since_login", agg="time_since_last", event="login", unit="h")
define(
    "attributes",
    "busiest_hour",
    agg="most_frequent",
    event="page_view",
    prop="$time",
    date_part="hour_of_day",
)
define(
    "services",
    "statsig_attributes",
    attributes=[
        "ltv_band",
        "last_product_category",
        "count_offer_listing_clicks",
        "hours_since_login",
    ],
    audiences=["high_intent", "sales_ready"],
    scores=["readiness"],
)
