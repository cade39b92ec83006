//! The parts of `template.yaml` that cost something, read from its text: the defaults of parameters, and the resources whose conditions
//! hold. It knows the template's own layout (two spaces for a name, four for its keys), not YAML in general: a resource that it does not
//! understand would be missing from the bill, so a test counts the alarms in another way.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;

/// The template with some parameters set.
#[derive(Debug, Clone)]
pub(super) struct Template {
    parameters: HashMap<String, String>,
    conditions: HashMap<String, String>,
    resources: Vec<Resource>,
}

#[derive(Debug, Clone)]
struct Resource {
    condition: Option<String>,
    text: String,
}

impl Template {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let parameters = entries(section(text, "Parameters:"));
        let conditions = entries(section(text, "Conditions:"));
        Self {
            parameters: parameters.into_iter().filter_map(|(name, body)| Some((name, default_of(&body)?))).collect(),
            conditions: conditions.into_iter().map(|(name, body)| (name, body.trim().to_owned())).collect(),
            resources: entries(section(text, "Resources:")).into_iter().map(|(_, body)| resource(body)).collect(),
        }
    }

    pub(super) fn has(&self, parameter: &str) -> bool {
        self.parameters.contains_key(parameter)
    }

    /// The same template, deployed with this parameter.
    pub(super) fn with(mut self, parameter: &str, value: &str) -> Self {
        self.parameters.insert(parameter.to_owned(), value.to_owned());
        self
    }

    pub(super) fn text(&self, parameter: &str) -> &str {
        self.parameters.get(parameter).map_or("", String::as_str)
    }

    pub(super) fn number(&self, parameter: &str) -> anyhow::Result<f64> {
        let text = self.text(parameter);
        text.parse().with_context(|| format!("template.yaml: {parameter} is {text:?} and not a number"))
    }

    /// The texts of the resources of a type that are deployed.
    pub(super) fn deployed<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        self.texts().filter(move |text| kind_of(text) == kind)
    }

    /// The texts of all resources that are deployed.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        let deployed = self.resources.iter().filter(|one| one.condition.as_ref().is_none_or(|name| self.holds(name)));
        deployed.map(|resource| resource.text.as_str())
    }

    fn holds(&self, condition: &str) -> bool {
        self.conditions.get(condition).is_some_and(|expression| self.evaluate(expression))
    }

    /// `!Equals`, `!Not`, `!And`, `!Or` and `!Condition`, as `CloudFormation` has them.
    fn evaluate(&self, expression: &str) -> bool {
        let (function, rest) = expression.trim().split_once(' ').unwrap_or_default();
        let arguments = arguments(rest);
        match function {
            "!Condition" => self.holds(rest.trim()),
            "!Not" => !arguments.iter().any(|argument| self.evaluate(argument)),
            "!And" => arguments.iter().all(|argument| self.evaluate(argument)),
            "!Or" => arguments.iter().any(|argument| self.evaluate(argument)),
            "!Equals" => arguments.windows(2).all(|pair| matches!(pair, [a, b] if self.value(a) == self.value(b))),
            _ => false,
        }
    }

    /// A literal, or the parameter that it refers to, also inside a `!Join` of one list.
    fn value<'a>(&'a self, argument: &'a str) -> &'a str {
        let Some((_, name)) = argument.split_once("!Ref ") else {
            return unquoted(argument);
        };
        self.text(name.split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default())
    }
}

fn section<'a>(text: &'a str, title: &str) -> &'a str {
    let after = text.split_once(&format!("\n{title}\n")).map_or("", |(_, after)| after);
    let ends = after.match_indices('\n').map(|(index, _)| index);
    let end =
        ends.into_iter().find(|index| after.get(index + 1..).is_some_and(|rest| rest.starts_with(char::is_alphabetic)));
    end.and_then(|end| after.get(..end)).unwrap_or(after)
}

/// The names at two spaces, each with the text up to the next.
fn entries(section: &str) -> Vec<(String, String)> {
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in section.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let name = line.strip_prefix("  ").filter(|rest| rest.starts_with(char::is_alphabetic));
        if let Some((name, rest)) = name.and_then(|rest| rest.split_once(':')) {
            entries.push((name.to_owned(), format!("{rest}\n")));
        } else if let Some((_, body)) = entries.last_mut() {
            body.push_str(line);
            body.push('\n');
        }
    }
    entries
}

fn resource(text: String) -> Resource {
    Resource { condition: key(&text, "    Condition:").map(str::to_owned), text }
}

fn kind_of(resource: &str) -> &str {
    key(resource, "    Type:").unwrap_or_default()
}

fn key<'a>(resource: &'a str, name: &str) -> Option<&'a str> {
    resource.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

fn default_of(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("Default:")?;
    let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
    Some(unquoted(rest.get(..end)?).to_owned())
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['\'', '"'])
}

/// The elements of `[a, [b, c]]`, split at the commas of the outer list.
fn arguments(list: &str) -> Vec<String> {
    let inner = list.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or_default();
    let (mut depth, mut parts) = (0_u32, vec![String::new()]);
    for letter in inner.chars() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(part) = parts.last_mut() {
            part.push(letter);
        }
    }
    parts.iter().map(|part| part.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template() -> (String, Template) {
        let path = crate::venv::root().join("template.yaml");
        (std::fs::read_to_string(&path).unwrap(), Template::read(&path).unwrap())
    }

    #[test]
    fn every_alarm_of_the_template_is_found() {
        let (text, template) = template();
        let alarms = text.matches("Type: AWS::CloudWatch::Alarm\n").count();
        assert_eq!(template.resources.iter().filter(|r| kind_of(&r.text) == "AWS::CloudWatch::Alarm").count(), alarms);
        assert!(template.deployed("AWS::CloudWatch::Alarm").count() > 10, "{alarms}");
    }

    #[test]
    fn a_parameter_decides_about_its_resources() {
        let (_, template) = template();
        assert_eq!(template.deployed("AWS::KMS::Key").count(), 1);
        assert_eq!(template.clone().with("KmsKey", "aws-managed").deployed("AWS::KMS::Key").count(), 0);
        let firehose = "AWS::KinesisFirehose::DeliveryStream";
        assert_eq!(template.clone().with("Archive", "enabled").deployed(firehose).count(), 1);
        assert_eq!(template.with("Archive", "disabled").deployed(firehose).count(), 0);
    }

    #[test]
    fn every_condition_of_the_template_is_understood() {
        let (_, template) = template();
        for (name, expression) in &template.conditions {
            let known = ["!Equals ", "!Not ", "!And ", "!Or ", "!Condition "];
            assert!(known.iter().any(|function| expression.starts_with(function)), "{name}: {expression}");
        }
    }
}
