//! Random filters that fit the schema of [`crate::table`].

use crate::table::{FLOATS, INTS, TEXTS, TIMES};
use proptest::prelude::*;
use proptest::sample::select;
use vicinal_filter::{Node, Operator, Value};

fn pick<T: Clone + std::fmt::Debug + 'static>(values: &'static [T]) -> impl Strategy<Value = T> {
    select(values)
}

fn column(names: &'static [&'static str]) -> BoxedStrategy<Node> {
    pick(names).prop_map(Node::column).boxed()
}

fn int() -> BoxedStrategy<Value> {
    prop_oneof![pick(&INTS), -4..5_i64].prop_map(Value::Int).boxed()
}

fn float() -> BoxedStrategy<Value> {
    prop_oneof![
        pick(&FLOATS),
        any::<f64>().prop_filter("finite", |value| value.is_finite()),
        (-8..9_i32).prop_map(|half| f64::from(half) / 2.0),
    ]
    .prop_map(Value::Float)
    .boxed()
}

fn number() -> BoxedStrategy<Value> {
    prop_oneof![int(), float()].boxed()
}

fn string() -> BoxedStrategy<Value> {
    prop_oneof![4 => pick(&TEXTS).prop_map(str::to_owned), 1 => any::<String>()]
        .prop_map(Value::Text)
        .boxed()
}

fn timestamp() -> BoxedStrategy<Value> {
    prop_oneof![pick(&TIMES), any::<i64>()].prop_map(Value::Timestamp).boxed()
}

fn interval() -> BoxedStrategy<Value> {
    pick(&[0, 1, -86_400_000_000, 3_600_000_000, i64::MAX, i64::MIN])
        .prop_map(Value::Interval)
        .boxed()
}

fn json() -> BoxedStrategy<Node> {
    pick(&["$.a", "$.b", "$.b[0]", "$.b[2]", "$.a.b", "$", "$[1]", "$.b.a", "$[2].a"])
        .prop_map(|path| {
            let path = Node::value(Value::Text(path.to_owned()));
            Node::call(Operator::JsonGet, vec![Node::column("json"), path])
        })
        .boxed()
}

fn call(operator: Operator, operands: BoxedStrategy<Vec<Node>>) -> BoxedStrategy<Node> {
    operands.prop_map(move |operands| Node::call(operator, operands)).boxed()
}

fn pair(left: BoxedStrategy<Node>, right: BoxedStrategy<Node>) -> BoxedStrategy<Vec<Node>> {
    (left, right).prop_map(|(left, right)| vec![left, right]).boxed()
}

fn one(node: BoxedStrategy<Node>) -> BoxedStrategy<Vec<Node>> {
    node.prop_map(|node| vec![node]).boxed()
}

fn constant(value: BoxedStrategy<Value>) -> BoxedStrategy<Node> {
    value.prop_map(Node::value).boxed()
}

/// Something that is a number.
fn numeric() -> BoxedStrategy<Node> {
    let ints = column(&["int8", "int16", "int32", "int64"]);
    let floats = column(&["float32", "float64"]);
    let lengths = prop_oneof![
        column(&["string", "int64s", "strings", "bools"]),
        json(),
        string().prop_map(Node::value)
    ];
    let leaf = prop_oneof![
        3 => ints,
        2 => floats,
        2 => number().prop_map(Node::value),
        1 => call(Operator::Length, one(lengths.boxed())),
    ];
    let operators = [
        Operator::Add,
        Operator::Subtract,
        Operator::Multiply,
        Operator::Divide,
        Operator::Remainder,
    ];
    leaf.prop_recursive(3, 12, 2, move |inner| {
        let binary = (select(operators.to_vec()), inner.clone(), inner.clone())
            .prop_map(|(operator, left, right)| Node::call(operator, vec![left, right]));
        let negated = inner.prop_map(|node| Node::call(Operator::Negate, vec![node]));
        prop_oneof![4 => binary, 1 => negated]
    })
    .boxed()
}

fn duration() -> BoxedStrategy<Node> {
    let fixed = constant(interval());
    let times = pair(constant(timestamp()), column(&["timestamp"]));
    let between = call(Operator::Subtract, times);
    let scaled = (pick(&[Operator::Multiply, Operator::Divide]), interval(), int()).prop_map(
        |(operator, interval, by)| {
            Node::call(operator, vec![Node::value(interval), Node::value(by)])
        },
    );
    let negated = call(Operator::Negate, one(between.clone()));
    prop_oneof![fixed, between, scaled, negated].boxed()
}

fn moment() -> BoxedStrategy<Node> {
    let now = Just(Node::call(Operator::Now, vec![])).boxed();
    let leaf = prop_oneof![
        3 => column(&["timestamp"]),
        1 => timestamp().prop_map(Node::value),
        1 => now,
    ]
    .boxed();
    let unit =
        pick(&["day", "hour"]).prop_map(|unit| Node::value(Value::Text(unit.into()))).boxed();
    let truncated = call(Operator::DateTrunc, pair(unit, leaf.clone()));
    let moved = (pick(&[Operator::Add, Operator::Subtract]), leaf.clone(), duration())
        .prop_map(|(operator, moment, by)| Node::call(operator, vec![moment, by]));
    prop_oneof![3 => leaf, 1 => truncated, 1 => moved].boxed()
}

fn text() -> BoxedStrategy<Node> {
    prop_oneof![3 => column(&["string"]), 2 => string().prop_map(Node::value)].boxed()
}

fn list(values: BoxedStrategy<Value>) -> BoxedStrategy<Node> {
    let few = prop::collection::vec(values.clone(), 0..5);
    let many = prop::collection::vec(values, 5..40);
    prop_oneof![3 => few, 1 => many]
        .prop_map(|values| {
            Node::call(Operator::List, values.into_iter().map(Node::value).collect())
        })
        .boxed()
}

fn mixed() -> BoxedStrategy<Value> {
    prop_oneof![number(), string(), any::<bool>().prop_map(Value::Bool)].boxed()
}

fn comparison() -> BoxedStrategy<Node> {
    let operators = select(vec![
        Operator::Equal,
        Operator::NotEqual,
        Operator::Less,
        Operator::LessOrEqual,
        Operator::Greater,
        Operator::GreaterOrEqual,
    ]);
    let plain =
        mixed().prop_filter("bools have no order", |value| !matches!(value, Value::Bool(_)));
    let operands = prop_oneof![
        4 => pair(numeric(), numeric()),
        2 => pair(text(), text()),
        2 => pair(moment(), moment()),
        1 => pair(duration(), duration()),
        2 => pair(json(), constant(plain.boxed())),
        1 => pair(numeric(), json()),
        1 => pair(json(), json()),
        1 => pair(text(), json()),
    ];
    let ordered =
        (operators, operands).prop_map(|(operator, operands)| Node::call(operator, operands));
    let flag = prop_oneof![
        column(&["bool"]),
        any::<bool>().prop_map(|value| Node::value(Value::Bool(value))),
        json(),
    ];
    let flags = pair(column(&["bool"]), flag.boxed());
    let equal = (pick(&[Operator::Equal, Operator::NotEqual]), flags)
        .prop_map(|(operator, operands)| Node::call(operator, operands));
    prop_oneof![8 => ordered, 1 => equal, 1 => column(&["bool"])].boxed()
}

fn pattern() -> BoxedStrategy<Node> {
    let likes = pick(&[
        "", "%", "a", "a%", "%b", "%a%", "a%b", "a_", "_", "%_b%", "a\\%b", "A%b", "%%", "a%a%b",
        "ä", "_%_",
    ]);
    let escaped = pick(&["a!%b", "!_%", "a%", "!!"]);
    let subject = || prop_oneof![2 => text(), 1 => json()];
    let value = |text: &str| Node::value(Value::Text(text.to_owned()));
    let like = (subject(), likes)
        .prop_map(move |(subject, like)| Node::call(Operator::Like, vec![subject, value(like)]));
    let with_escape = (subject(), escaped).prop_map(move |(subject, like)| {
        Node::call(Operator::Like, vec![subject, value(like), value("!")])
    });
    let regexes = pick(&["a", "^a", "b$", "^$", "a.b", "(?s)a.b", "[äb]", r"\w+", "^(a|b)*$"]);
    let matches = (subject(), regexes).prop_map(move |(subject, regex)| {
        Node::call(Operator::Matches, vec![subject, value(regex)])
    });
    prop_oneof![3 => like, 1 => with_escape, 2 => matches].boxed()
}

fn membership() -> BoxedStrategy<Node> {
    let bools = || any::<bool>().prop_map(Value::Bool).boxed();
    let is_in = prop_oneof![
        3 => pair(numeric(), list(number())),
        2 => pair(column(&["int8", "int64", "float32", "float64"]), list(number())),
        2 => pair(text(), list(string())),
        1 => pair(moment(), list(timestamp())),
        1 => pair(json(), list(mixed())),
        1 => pair(column(&["bool"]), list(bools())),
    ];
    let contains = prop_oneof![
        pair(
            column(&["int8s", "int16s", "int32s", "int64s", "float32s", "float64s"]),
            list(number())
        ),
        pair(column(&["strings"]), list(string())),
        pair(column(&["bools"]), list(bools())),
        pair(column(&["timestamps"]), list(timestamp())),
        pair(json(), list(mixed())),
    ];
    let kinds = pick(&[Operator::ContainsAny, Operator::ContainsAll]);
    let contains_list =
        (kinds, contains).prop_map(|(operator, operands)| Node::call(operator, operands));
    let contains_one = prop_oneof![
        pair(column(&["int64s", "float64s", "float32s"]), constant(number())),
        pair(column(&["strings"]), constant(string())),
        pair(json(), constant(mixed())),
    ];
    prop_oneof![
        call(Operator::In, is_in.boxed()),
        contains_list,
        call(Operator::Contains, contains_one.boxed()),
    ]
    .boxed()
}

fn between() -> BoxedStrategy<Node> {
    let three = |one: BoxedStrategy<Node>| {
        (one.clone(), one.clone(), one).prop_map(|(a, b, c)| vec![a, b, c]).boxed()
    };
    let operands = prop_oneof![three(numeric()), three(text()), three(moment())];
    call(Operator::Between, operands.boxed())
}

fn null_test() -> BoxedStrategy<Node> {
    let of = prop_oneof![
        column(&["bool", "int8", "float32", "string", "json", "strings", "timestamp", "id"]),
        numeric(),
        json(),
        moment(),
    ];
    call(Operator::IsNull, one(of.boxed()))
}

/// Any condition that the schema's columns allow.
pub(crate) fn condition() -> BoxedStrategy<Node> {
    let leaf = prop_oneof![
        4 => comparison(),
        2 => membership(),
        1 => pattern(),
        1 => between(),
        1 => null_test(),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let chain =
            (pick(&[Operator::And, Operator::Or]), prop::collection::vec(inner.clone(), 2..5));
        prop_oneof![
            3 => chain.prop_map(|(operator, operands)| Node::call(operator, operands)),
            1 => inner.prop_map(|node| Node::call(Operator::Not, vec![node])),
        ]
    })
    .boxed()
}
