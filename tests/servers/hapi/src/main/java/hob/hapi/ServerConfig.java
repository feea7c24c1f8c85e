package hob.hapi;

import ca.uhn.fhir.batch2.jobs.config.Batch2JobsConfig;
import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.jpa.api.config.JpaStorageSettings;
import ca.uhn.fhir.jpa.api.config.ThreadPoolFactoryConfig;
import ca.uhn.fhir.jpa.api.model.HistoryCountModeEnum;
import ca.uhn.fhir.jpa.batch2.JpaBatch2Config;
import ca.uhn.fhir.jpa.binary.api.IBinaryStorageSvc;
import ca.uhn.fhir.jpa.binary.svc.NullBinaryStorageSvcImpl;
import ca.uhn.fhir.jpa.config.HapiJpaConfig;
import ca.uhn.fhir.jpa.config.r4.JpaR4Config;
import ca.uhn.fhir.jpa.config.util.HapiEntityManagerFactoryUtil;
import ca.uhn.fhir.jpa.model.config.PartitionSettings;
import ca.uhn.fhir.jpa.model.config.SubscriptionSettings;
import ca.uhn.fhir.jpa.model.dialect.HapiFhirH2Dialect;
import ca.uhn.fhir.jpa.searchparam.config.NicknameServiceConfig;
import ca.uhn.fhir.jpa.searchparam.submit.config.SearchParamSubmitterConfig;
import ca.uhn.fhir.jpa.subscription.channel.config.SubscriptionChannelConfig;
import ca.uhn.fhir.jpa.subscription.channel.impl.RetryPolicyProvider;
import ca.uhn.fhir.jpa.subscription.match.config.SubscriptionProcessorConfig;
import ca.uhn.fhir.jpa.subscription.match.deliver.email.IEmailSender;
import ca.uhn.fhir.jpa.subscription.submit.config.SubscriptionSubmitterConfig;
import ca.uhn.fhir.jpa.topic.SubscriptionTopicConfig;
import jakarta.persistence.EntityManagerFactory;
import java.util.Properties;
import javax.sql.DataSource;
import org.apache.commons.dbcp2.BasicDataSource;
import org.hl7.fhir.dstu2.model.Subscription.SubscriptionChannelType;
import org.springframework.beans.factory.config.ConfigurableListableBeanFactory;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.context.annotation.Primary;
import org.springframework.orm.jpa.JpaTransactionManager;
import org.springframework.orm.jpa.LocalContainerEntityManagerFactoryBean;
import org.springframework.retry.RetryPolicy;
import org.springframework.retry.backoff.BackOffPolicy;
import org.springframework.retry.backoff.ExponentialBackOffPolicy;
import org.springframework.retry.policy.TimeoutRetryPolicy;

/** HAPI's storage on a database in memory, with rest-hook subscriptions. */
@Configuration
@Import({
  JpaR4Config.class,
  HapiJpaConfig.class,
  SubscriptionSubmitterConfig.class,
  SubscriptionProcessorConfig.class,
  SubscriptionChannelConfig.class,
  SubscriptionTopicConfig.class,
  SearchParamSubmitterConfig.class,
  JpaBatch2Config.class,
  Batch2JobsConfig.class,
  ThreadPoolFactoryConfig.class,
  NicknameServiceConfig.class,
})
class ServerConfig {

  @Bean
  JpaStorageSettings storageSettings(Options options) {
    JpaStorageSettings settings = new JpaStorageSettings();
    settings.setResourceClientIdStrategy(
        options.clientIds()
            ? JpaStorageSettings.ClientIdStrategyEnum.ANY
            : JpaStorageSettings.ClientIdStrategyEnum.NOT_ALLOWED);
    settings.setEnforceReferentialIntegrityOnWrite(options.referentialIntegrity());
    settings.setEnforceReferentialIntegrityOnDelete(options.referentialIntegrity());
    settings.setAllowExternalReferences(true);
    settings.setAllowInlineMatchUrlReferences(true);
    // Off by default, since they cost an index each; a server that is compared with R4 has them.
    settings.setAllowContainsSearches(true);
    settings.setIndexIdentifierOfType(true);
    // A test that writes and then searches must see what it wrote.
    settings.setReuseCachedSearchResultsForMillis(null);
    // Otherwise Bundle.total of a history comes from a cache and is stale.
    settings.setHistoryCountMode(HistoryCountModeEnum.COUNT_ACCURATE);
    return settings;
  }

  @Bean
  SubscriptionSettings subscriptionSettings() {
    SubscriptionSettings settings = new SubscriptionSettings();
    settings.addSupportedSubscriptionType(SubscriptionChannelType.RESTHOOK);
    // The default holds every notification back for up to five seconds.
    settings.setSubscriptionIntervalInMs(100);
    // Stays off: sending at once races the commit, and ignores a Subscription's `off`.
    settings.setSubscriptionChangeQueuedImmediately(false);
    return settings;
  }

  @Bean
  PartitionSettings partitionSettings() {
    return new PartitionSettings();
  }

  @Bean
  IEmailSender emailSender() {
    return details -> {
      throw new UnsupportedOperationException("the test server sends no e-mail");
    };
  }

  @Bean
  IBinaryStorageSvc binaryStorage() {
    return new NullBinaryStorageSvcImpl();
  }

  @Bean(destroyMethod = "close")
  BasicDataSource dataSource() {
    BasicDataSource source = new BasicDataSource();
    source.setDriverClassName("org.h2.Driver");
    source.setUrl("jdbc:h2:mem:hapi;DB_CLOSE_DELAY=-1");
    source.setUsername("sa");
    source.setPassword("");
    // Above Jetty's busy threads and the deliverers together, so that none waits for another.
    source.setMaxTotal(64);
    return source;
  }

  @Bean
  LocalContainerEntityManagerFactoryBean entityManagerFactory(
      ConfigurableListableBeanFactory beans,
      FhirContext context,
      JpaStorageSettings settings,
      DataSource source) {
    LocalContainerEntityManagerFactoryBean factory =
        HapiEntityManagerFactoryUtil.newEntityManagerFactory(beans, context, settings);
    factory.setPersistenceUnitName("hapi");
    factory.setDataSource(source);
    Properties properties = new Properties();
    properties.put("hibernate.dialect", HapiFhirH2Dialect.class.getName());
    properties.put("hibernate.hbm2ddl.auto", "create");
    properties.put("hibernate.search.enabled", "false");
    properties.put("hibernate.jdbc.batch_size", "20");
    factory.setJpaProperties(properties);
    return factory;
  }

  @Bean
  @Primary
  JpaTransactionManager transactionManager(EntityManagerFactory factory) {
    return new JpaTransactionManager(factory);
  }

  @Bean
  @Primary
  RetryPolicyProvider deliveryRetries(Options options) {
    if (options.retrySeconds() == 0) {
      return new RetryPolicyProvider();
    }
    return new RetryPolicyProvider() {
      @Override
      protected RetryPolicy retryPolicy() {
        return new TimeoutRetryPolicy(options.retrySeconds() * 1000L);
      }

      @Override
      protected BackOffPolicy backOffPolicy() {
        ExponentialBackOffPolicy policy = new ExponentialBackOffPolicy();
        policy.setInitialInterval(100);
        policy.setMultiplier(1.5);
        policy.setMaxInterval(1000);
        return policy;
      }
    };
  }
}
